// SPDX-License-Identifier: Apache-2.0
// Sets up exec plugins for tests: programs, kubeconfigs that name them, and the credentials that they give.
import { randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { stringify } from "yaml";
import { deepFreeze, type Environment, readVariables } from "../../server/config/variables.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { ExecCredentials, type ExecCredentialsOptions } from "../../server/kubernetes/exec-credentials.ts";
import { type PluginProgram, pluginProgram, V1 } from "../doubles/exec-plugin.ts";

export const newToken = () => randomBytes(16).toString("hex");

const root = t.testdir({});
export const newFolder = () => mkdtempSync(join(root, "scene-"));

/** A program and the folder that it is in. */
export const newProgram = () => {
  const folder = newFolder();
  return { folder, plugin: pluginProgram(folder) };
};

export type Scene = { exec: object; cluster?: object; env?: Environment; folder?: string };

/** The configuration of a kubeconfig whose user has this exec plugin. */
export const read = ({ exec, cluster = {}, env = {}, folder = newFolder() }: Scene) => {
  const path = join(folder, "kubeconfig");
  const contents = {
    "current-context": "here",
    clusters: [{ name: "c", cluster: { server: "https://api.example", ...cluster } }],
    contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: { exec } }],
  };
  writeFileSync(path, stringify(contents));
  const reader = readVariables({ PATH: process.env.PATH, ...env, KUBECONFIG: path }, KUBERNETES_VARIABLES);
  const config = readKubernetes(reader);
  if (config === undefined) throw new Error(JSON.stringify(reader.faults));
  return deepFreeze(config);
};

export const execOf = (plugin: PluginProgram, more: object = {}) => ({
  apiVersion: V1,
  command: plugin.command,
  interactiveMode: "IfAvailable",
  ...more,
});

export const credentialsOf = (t: Test, scene: Scene, options?: ExecCredentialsOptions): ExecCredentials => {
  const { credentials } = read(scene);
  if (credentials.kind !== "exec") throw new Error("no plugin");
  const source = new ExecCredentials(credentials.plugin, options);
  t.teardown(() => source.close());
  return source;
};

export const soon = () => AbortSignal.timeout(60_000);
