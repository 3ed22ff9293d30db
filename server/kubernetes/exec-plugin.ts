// SPDX-License-Identifier: Apache-2.0
// Parses the exec plugin of a kubeconfig's user, and builds the environment that it is started with.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import type { Parsed } from "../config/reread-file.ts";
import type { Environment } from "../config/variables.ts";
import { compileSchema, details } from "../http/validation.ts";

/** https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
const VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"] as const;
type ExecVersion = (typeof VERSIONS)[number];

const Text = Type.String({ minLength: 1 });

/** https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/#ExecConfig, as far as it is read. */
const ExecConfig = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  command: Text,
  args: Type.Optional(Type.Array(Type.String())),
  env: Type.Optional(Type.Array(Type.Object({ name: Text, value: Type.Optional(Type.String()) }))),
  installHint: Type.Optional(Type.String()),
  provideClusterInfo: Type.Optional(Type.Boolean()),
  interactiveMode: Type.Optional(Type.String()),
});
type ExecConfig = Static<typeof ExecConfig>;
const compiled = compileSchema(ExecConfig);

/** What a plugin is told of the cluster where it asks for that: the fields of ExecCredential.spec.cluster. */
export type ExecCluster = Readonly<Record<string, unknown>>;

/** A program that prints credentials. Its arguments and its environment may hold secrets and print nowhere. */
export class ExecPlugin {
  /** A name that is looked up in PATH, or a path. */
  readonly command: string;
  readonly apiVersion: ExecVersion;
  /** What the kubeconfig's author says to somebody who lacks the program; in one line. */
  readonly installHint: string | undefined;
  readonly #args: readonly string[];
  readonly #env: Environment;

  constructor(config: ExecConfig, apiVersion: ExecVersion, command: string, env: Environment) {
    this.command = command;
    this.apiVersion = apiVersion;
    this.installHint = config.installHint?.replaceAll(/\s+/g, " ").trim() || undefined;
    this.#args = config.args ?? [];
    this.#env = env;
  }

  launch(): { readonly args: readonly string[]; readonly env: Environment } {
    return { args: this.#args, env: this.#env };
  }
}

const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"];

const fault = (message: string): { ok: false; message: string } => ({
  ok: false,
  message: `has a user with an exec plugin ${message}`,
});

const versionOf = (config: ExecConfig): Parsed<ExecVersion> => {
  const version = VERSIONS.find((known) => known === config.apiVersion);
  if (version === undefined) return fault(`whose apiVersion is not ${VERSIONS.join(" or ")}`);
  const mode = config.interactiveMode ?? (version === VERSIONS[0] ? "" : "IfAvailable");
  if (!INTERACTIVE_MODES.includes(mode)) {
    return fault(`whose interactiveMode is not one of ${INTERACTIVE_MODES.join(", ")}`);
  }
  // We never have a terminal.
  if (mode === "Always") return fault("that always asks a person (interactiveMode: Always)");
  return { ok: true, value: version };
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The path of a command by the PATH that this process has: spawn would go by that of the plugin's own environment. */
const lookedUp = (command: string, { PATH = "" }: Environment): string =>
  PATH.split(delimiter)
    .flatMap((folder) => (folder === "" ? [] : join(folder, command)))
    .find(isExecutable) ?? command;

/**
 * The plugin of a kubeconfig's user. The message of a fault completes "<path> …".
 * @param at makes the path of a command that has a slash absolute
 * @param inherited the environment that the plugin's own is added to
 */
export const execPluginOf = (
  config: unknown,
  cluster: ExecCluster,
  at: (path: string) => string,
  inherited: Environment,
): Parsed<ExecPlugin> => {
  if (!compiled.Check(config)) {
    const [first] = details("exec", compiled.Errors(config));
    return fault(`that is none (${first?.field ?? "exec"}: ${first?.message ?? "unexpected"})`);
  }
  const version = versionOf(config);
  if (!version.ok) return version;
  const info = {
    kind: "ExecCredential",
    apiVersion: version.value,
    spec: { interactive: false, ...(config.provideClusterInfo && { cluster }) },
  };
  const env: Environment = {
    ...inherited,
    ...Object.fromEntries((config.env ?? []).map(({ name, value = "" }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  };
  const named = env.PATH === inherited.PATH ? config.command : lookedUp(config.command, inherited);
  const command = config.command.includes("/") ? at(config.command) : named;
  return { ok: true, value: new ExecPlugin(config, version.value, command, env) };
};
