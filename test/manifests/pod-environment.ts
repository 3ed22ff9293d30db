// SPDX-License-Identifier: Apache-2.0
// Mounts what a pod of rendered manifests mounts below a test's folder, and builds the environment that its container has.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import type { Test } from "tap";
import type { ConfigResult, Environment } from "../../server/config/variables.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { as, type Manifest, pick, Workload } from "./rendered.ts";

const ConfigMap = Type.Object({ data: Type.Record(Type.String(), Type.String()) });
export const NODE = "worker-1";
/** The variables that hold paths in the pod. */
const PATHS = /_FILE$|^PKCS11_MODULE$|^CRYPTO_STORE_PATH$/;

type Volume = Static<typeof Workload>["spec"]["template"]["spec"]["volumes"][number];

/** The files of a volume; undefined where a Secret lacks what is not optional. */
const filesOf = (
  { secret, projected, configMap }: Volume,
  secrets: ReturnType<typeof secretsIn>,
  manifests: readonly Manifest[],
): [path: string, content: Buffer | string | undefined][] => {
  const sources = projected?.sources.map((source) => source.secret) ?? [];
  if (secret !== undefined) sources.push({ ...secret, name: secret.secretName, items: secret.items ?? [] });
  const ofSecrets = sources.flatMap(({ name, items, optional = false }) =>
    items
      .map(({ key, path }): [string, Buffer | undefined] => [path, secrets.get(name)?.data.get(key)])
      .filter(([, content]) => content !== undefined || !optional),
  );
  if (configMap === undefined) return ofSecrets;
  const { data } = as(ConfigMap, pick(manifests, "ConfigMap", configMap.name));
  return [...ofSecrets, ...Object.entries(data)];
};

/**
 * Mounts what the pod mounts under a folder, with the Secrets of credentials.sh and a password of the bot, and gives the pod's
 * environment with its paths moved there.
 */
export const podIn = (
  t: Test,
  manifests: readonly Manifest[],
  [kind, name]: readonly [kind: string, name: string],
  { isReadOnly = false } = {},
): { env: Environment; folder: string } => {
  const folder = t.testdir({ pin: randomBytes(8).toString("hex") });
  const parts = ["--only", "tls,tokens,pin,bot", "--pin-file", join(folder, "pin")];
  const secrets = secretsIn(credentials(parts).stdout);
  const password = Buffer.from(randomBytes(8).toString("hex"));
  if (isReadOnly) secrets.get("keyswitch-agent-token")?.data.delete("write");
  secrets.set("keyswitch-bot", { type: "Opaque", data: new Map([["password", password]]) });
  const { metadata, spec } = as(Workload, pick(manifests, kind, name)).spec.template;
  const [container] = spec.containers;
  if (container === undefined) throw new Error("no container");
  const put = (path: string, content: Buffer | string | undefined) => {
    if (content === undefined) throw new Error(`nothing is there to mount at ${path}`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = spec.volumes.find((volume) => volume.name === name);
    for (const [path, content] of volume === undefined ? [] : filesOf(volume, secrets, manifests)) {
      put(join(mountPath, path), content);
    }
  }
  const fields: Record<string, string | undefined> = {
    "spec.nodeName": NODE,
    "metadata.labels['hsm.j5t.io/device']": metadata.labels["hsm.j5t.io/device"],
  };
  // The module is in the image.
  put("/usr/lib/opensc-pkcs11.so", "");
  const settings = (container.envFrom ?? []).flatMap(({ configMapRef }) =>
    Object.entries(as(ConfigMap, pick(manifests, "ConfigMap", configMapRef.name)).data),
  );
  const own = (container.env ?? []).map(({ name, value, valueFrom }) => {
    const text = valueFrom === undefined ? value : fields[valueFrom.fieldRef.fieldPath];
    return [name, text] as const;
  });
  const moved = [...settings, ...own].map(
    ([name, text]) => [name, PATHS.test(name) ? join(folder, text ?? "") : text] as const,
  );
  return { env: Object.fromEntries(moved), folder };
};

/** The configuration. @throws with its faults where it has some */
export const accepted = <C>(result: ConfigResult<C>): C => {
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
};
