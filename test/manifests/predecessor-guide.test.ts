// SPDX-License-Identifier: Apache-2.0
// Tests docs/guides/from-hsm-secrets-operator.md with kubectl: that operator's objects under our definitions, and the guide's commands.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { parse } from "yaml";
import { valueAt } from "../../scripts/control-plane/api/json.ts";
import { hsmSecrets, namespace, startCluster } from "../../scripts/control-plane/test/engine/cluster.ts";
import { loadPathPolicy } from "../../server/webhook/path-policy.ts";
import { root } from "./rendered.ts";

const run = promisify(execFile);
const guide = readFileSync(join(root, "docs/guides/from-hsm-secrets-operator.md"), "utf8");
const [unchanged, moved, device] = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) =>
  parse(block),
);

/** The first block of commands behind `words`, without the indentation of the list. */
const commandsAfter = (words: string): string => {
  const [, rest = ""] = guide.split(words);
  const found = /```sh\n(.*?)```/s.exec(rest)?.[1];
  if (found === undefined) throw new Error(`the guide has no commands after ${words}`);
  return found.replaceAll(/^ {3}/gm, "");
};

const definitions = ["hsmsecrets.yaml", "hsmdevice/hsmdevices.yaml"].map((file) =>
  parse(readFileSync(join(root, "manifests/crds", file), "utf8")),
);

const refused: [name: string, fault: RegExp, object: object][] = [
  ["parentRef", /unknown field "spec.parentRef"/, { ...moved, spec: { parentRef: { name: "manager" } } }],
  ["another deviceType", /deviceType/, { ...device, spec: { ...device.spec, deviceType: "SmartCardHSM" } }],
  [
    "a slot and a label",
    /slotId or tokenLabel, not both/,
    { ...device, spec: { ...device.spec, pkcs11: { ...device.spec.pkcs11, tokenLabel: "PicoHSM" } } },
  ],
  [
    "a namespace of the PIN",
    /unknown field "spec.pkcs11.pinSecret.namespace"/,
    {
      ...device,
      spec: {
        ...device.spec,
        pkcs11: { pinSecret: { name: "pico-hsm-pin", key: "pin", namespace: "default" } },
      },
    },
  ],
  ["no PIN", /pkcs11/, { ...device, spec: { deviceType: "PicoHSM" } }],
  [
    "nothing to find a device by",
    /no device would match/,
    { ...device, spec: { ...device.spec, discovery: { autoDiscovery: false } } },
  ],
  [
    "permissions in letters",
    /permissions/,
    {
      ...device,
      spec: { ...device.spec, discovery: { devicePath: { path: "/dev/ttyACM*", permissions: "rw" } } },
    },
  ],
];

t.test("our definitions take its objects, but for what the tables name", async (t) => {
  const cluster = await startCluster(t);
  await cluster.apply(namespace("shop"), namespace("keyswitch"), ...definitions);
  await cluster.apply(unchanged, moved, device);
  const path = { devicePath: { path: "/dev/ttyACM*", permissions: "0666" } };
  await cluster.apply({
    ...device,
    metadata: { ...device.metadata, name: "path" },
    spec: { ...device.spec, discovery: path },
  });
  for (const [name, fault, object] of refused) {
    await t.rejects(cluster.apply(JSON.parse(JSON.stringify(object))), fault, name);
  }
});

t.test("the steps keep every HSMSecret, with its path and without its finalizer", async (t) => {
  const cluster = await startCluster(t);
  const shell = (commands: string) =>
    run("sh", ["-ec", commands], { env: { ...process.env, KUBECONFIG: join(cluster.dir, "kubeconfig") } });
  const theirs = (name: string) => ({
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name, namespace: "shop", finalizers: ["hsmsecret.hsm.j5t.io/finalizer"] },
    spec: {
      parentRef: { name: "controller-manager", namespace: "operator" },
      autoSync: true,
      syncInterval: 30,
    },
  });
  await cluster.apply(namespace("shop"), hsmSecrets);
  await cluster.apply(theirs("database"), theirs("mail"), unchanged);
  const uid = async () =>
    valueAt(await cluster.read(["hsmsecret", "database", "-n", "shop"]), ["metadata", "uid"]);
  const before = await uid();

  await shell(commandsAfter("2. Take its finalizer away"));
  await cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], {
    apiVersion: "v1",
    kind: "List",
    items: definitions,
  });
  const rules = (await shell(commandsAfter("This prints the rules"))).stdout;
  await shell(commandsAfter("where `hsmPath` is not set yet"));

  const after = await cluster.read(["hsmsecret", "database", "-n", "shop"]);
  t.same(after.spec, {
    ...moved.spec,
    hsmPath: "database",
    secretType: "Opaque",
    writeBack: "Never",
    deletionPolicy: "Retain",
    onMissing: "Retain",
  });
  t.notOk(valueAt(after, ["metadata", "finalizers"]));
  t.equal(await uid(), before);
  const other = await cluster.read(["hsmsecret", "database-credentials", "-n", "shop"]);
  t.equal(valueAt(other, ["spec", "hsmPath"]), unchanged.spec.hsmPath, "one that has a path keeps it");
  const policy = loadPathPolicy(Buffer.from(`[${rules.trim().replace(/,$/, "")}]`));
  t.match(policy, {
    ok: true,
    value: [
      { namespace: "shop", prefix: "database" },
      { namespace: "shop", prefix: "database-credentials" },
      { namespace: "shop", prefix: "mail" },
    ],
  });
});
