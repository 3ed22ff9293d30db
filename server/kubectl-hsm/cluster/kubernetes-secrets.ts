// SPDX-License-Identifier: Apache-2.0
// Reads Kubernetes Secrets as secrets to import.
import { Type } from "@sinclair/typebox";
import { fromBase64Map, isBase64, isObjectName } from "../../../hooks/formats.ts";
import { OwnerReference, StringMap } from "../../../hooks/kubernetes.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import { checked, type ImportInput } from "../input/import-file.ts";
import type { Kubectl } from "./kubectl.ts";

const KubeSecret = Type.Object({
  metadata: Type.Object({
    name: Type.String(),
    namespace: Type.String(),
    ownerReferences: Type.Optional(Type.Array(OwnerReference)),
  }),
  type: Type.Optional(Type.String()),
  data: Type.Optional(StringMap),
});
const kubeSecret = compileSchema(KubeSecret);
const kubeSecretList = compileSchema(Type.Object({ items: Type.Array(KubeSecret) }));

/** What controllers make for themselves: of no use on a token. */
const OWN_TYPES = [
  "kubernetes.io/service-account-token",
  "helm.sh/release.v1",
  "bootstrap.kubernetes.io/token",
];

export type SecretImport = {
  incoming: ImportInput[];
  /** Not meant for a token. */
  skipped: { path: string; why: string }[];
  /** Meant for one that can't hold them, or under that name. */
  failed: { path: string; why: string }[];
};

/** The named Secrets of a namespace. @throws CommandFailed where one is missing or has nothing in it. */
export const namedSecrets = async (
  kubectl: Kubectl,
  namespace: string,
  names: readonly string[],
  pathOf: (name: string) => Promise<string>,
): Promise<ImportInput[]> => {
  const found: ImportInput[] = [];
  for (const name of names) {
    if (!isObjectName(name)) throw new CommandFailed("usage", "--from-secret must be a Secret's name");
    const object = await kubectl.get(["secret", name, "-n", namespace]);
    if (object === undefined) throw new CommandFailed("absent", `there is no Secret ${namespace}/${name}`);
    if (!kubeSecret.Check(object)) {
      throw new CommandFailed("unreachable", "kubectl's Secret can't be understood");
    }
    found.push(incomingOf(object.metadata, object.data ?? {}, object.type, await pathOf(name)));
  }
  return found;
};

/**
 * Those that a label selector finds. What a controller made, or an HSMSecret, is left out. One that no token can hold does
 * not stop the others.
 */
export const selectedSecrets = async (
  kubectl: Kubectl,
  namespace: string,
  selector: string,
  pathOf: (name: string) => Promise<string>,
): Promise<SecretImport> => {
  const list = await kubectl.get(["secrets", "-n", namespace, `--selector=${selector}`]);
  if (list === undefined) return { incoming: [], skipped: [], failed: [] };
  if (!kubeSecretList.Check(list)) {
    throw new CommandFailed("unreachable", "kubectl's list of Secrets can't be understood");
  }
  const result: SecretImport = { incoming: [], skipped: [], failed: [] };
  for (const { metadata, type, data = {} } of list.items) {
    let path = `Secret ${metadata.namespace}/${metadata.name}`;
    try {
      path = await pathOf(metadata.name);
      const why = whyNot(metadata.ownerReferences ?? [], type, data);
      if (why === undefined) result.incoming.push(incomingOf(metadata, data, type, path));
      else result.skipped.push({ path, why });
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      result.failed.push({ path, why: error.message });
    }
  }
  return result;
};

const whyNot = (
  owners: readonly OwnerReference[],
  type: string | undefined,
  data: StringMap,
): string | undefined => {
  if (owners.some(({ kind }) => kind === "HSMSecret")) return "it comes from the token";
  if (type !== undefined && OWN_TYPES.includes(type)) return `its type is ${type}`;
  return Object.keys(data).length === 0 ? "it has no key" : undefined;
};

const incomingOf = (
  { name, namespace }: { name: string; namespace: string },
  data: StringMap,
  type: string | undefined,
  path: string,
): ImportInput => {
  const source = `Secret ${namespace}/${name}`;
  if (Object.keys(data).length === 0) throw new CommandFailed("usage", `the ${source} has no key`);
  if (!Object.values(data).every(isBase64)) {
    throw new CommandFailed("unreachable", `the ${source} holds something that is not base64`);
  }
  return checked({
    path,
    data: fromBase64Map(data),
    metadata: {
      source: `kubernetes:${namespace}/${name}`.slice(0, 256),
      ...(type && type.length <= 64 && { dataType: type }),
    },
    source,
  });
};
