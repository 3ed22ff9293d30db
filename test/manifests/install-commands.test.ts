// SPDX-License-Identifier: Apache-2.0
// Tests with kubectl that the commands of docs/install.md which change HSMSecrets and Toggles do what the text says.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { valueAt } from "../../scripts/control-plane/api/json.ts";
import {
  hsmSecret,
  hsmSecrets,
  namespace,
  startCluster,
  toggles,
} from "../../scripts/control-plane/test/engine/cluster.ts";
import { root } from "./rendered.ts";

const run = promisify(execFile);
const install = readFileSync(join(root, "docs/install.md"), "utf8");

/** The first block of commands behind `words`. */
const commandsAfter = (words: string): string => {
  const [, rest = ""] = install.split(words);
  const found = /```sh\n(.*?)```/s.exec(rest)?.[1];
  if (found === undefined) throw new Error(`install.md has no commands after ${words}`);
  return found;
};

const scene = async (t: Test) => {
  const cluster = await startCluster(t);
  await cluster.apply(namespace("demo"), hsmSecrets, toggles);
  return {
    cluster,
    shell: (commands: string) =>
      run("sh", ["-ec", commands], { env: { ...process.env, KUBECONFIG: join(cluster.dir, "kubeconfig") } }),
  };
};

t.test("what precedes the uninstallation keeps the data of every HSMSecret on the token", async (t) => {
  const { cluster, shell } = await scene(t);
  await cluster.apply(
    hsmSecret("first", { deletionPolicy: "Delete" }),
    hsmSecret("second", { deletionPolicy: "Delete" }),
    hsmSecret("third", { deletionPolicy: "Retain" }),
    hsmSecret("fourth"),
  );
  const { stdout } = await shell(commandsAfter("**The data on the token.**"));
  t.same(stdout.match(/first|second|third|fourth/g), ["first", "second"]);
  const policies = await cluster.kubectl([
    "get",
    "hsmsecrets",
    "-A",
    "-o",
    "jsonpath={.items[*].spec.deletionPolicy}",
  ]);
  t.match(policies, /^Retain( Retain)+$/);
  t.ok(
    install.indexOf("**The data on the token.**") < install.indexOf("kubectl delete hsmsecrets --all"),
    "and it stands before anything is deleted",
  );
});

t.test(
  "what follows an outage touches every Toggle, and every HSMSecret in the way that is obeyed",
  async (t) => {
    const { cluster, shell } = await scene(t);
    const toggle = {
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web", namespace: "demo" },
      spec: { selector: { matchLabels: { app: "web" } } },
    };
    await cluster.apply(hsmSecret("first"), toggle);
    await shell(commandsAfter("### After an outage of the webhook"));
    const annotations = async (kind: string, name: string) =>
      valueAt(await cluster.read([kind, name, "-n", "demo"]), ["metadata", "annotations"]);
    t.match(await annotations("hsmsecret", "first"), { "hsm.j5t.io/force-sync": /^\d+$/ });
    t.match(await annotations("toggle", "web"), { "toggle.j5t.io/look-again": /^\d+$/ });
  },
);
