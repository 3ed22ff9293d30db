// SPDX-License-Identifier: Apache-2.0
// Builds the context of a command: output, namespace and path, kubectl, and a connection to the agent that is opened on first
// use.
import { isHsmPath, isNamespace } from "../../hooks/formats.ts";
import { METADATA_SEGMENT } from "../agent/storage/path.ts";
import type { Environment } from "../config/variables.ts";
import type { AgentCalls } from "./agent/agent-api-calls.ts";
import type { Connection } from "./agent/connect.ts";
import { currentNamespace } from "./cluster/current-namespace.ts";
import { createKubectl, type Kubectl } from "./cluster/kubectl.ts";
import { type KubectlHsmConfig, parseKubectlHsmConfig } from "./config.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openTerminal, type Terminal } from "./input/terminal.ts";
import type { Io } from "./io.ts";
import type { GlobalOptions, OptionValues } from "./option-spec.ts";
import { createOutput, type Format, type Output } from "./output.ts";

export type Context = {
  readonly io: Io;
  readonly output: Output;
  readonly kubectl: Kubectl;
  readonly config: KubectlHsmConfig;
  /** -n, or the current context's. */
  namespace(): Promise<string>;
  /** The path of NAME in the namespace, or NAME itself where it is one (--path). */
  pathOf(name: string, absolute: boolean): Promise<string>;
  /** The first call decides which token is used. */
  agent(scope: "read" | "write"): Promise<AgentCalls>;
  connection(scope: "read" | "write"): Promise<Connection>;
  /** The terminal of the user, whatever standard input is; undefined where there is none. */
  terminal(): Terminal | undefined;
  /** Told once, when the options are known. */
  setGlobals(options: OptionValues<GlobalOptions>): void;
  close(): Promise<void>;
};

type Globals = {
  readonly options: OptionValues<GlobalOptions>;
  readonly config: KubectlHsmConfig;
  readonly kubectl: Kubectl;
};

/** @throws CommandFailed from `setGlobals` where the options or variables are not right. */
export const createContext = (env: Environment, io: Io): Context => {
  let globals: Globals | undefined;
  let connection: Promise<Connection> | undefined;
  let opened: Connection | undefined;
  let terminal: Terminal | undefined;
  let namespace: Promise<string> | undefined;
  const known = () => {
    if (globals === undefined) throw new Error("the options are not known yet");
    return globals;
  };
  const context: Context = {
    io,
    get output() {
      return createOutput(io, formatOf(known().options.output));
    },
    get kubectl() {
      return known().kubectl;
    },
    get config() {
      return known().config;
    },
    setGlobals(options) {
      globals = checkedGlobals(env, options);
    },
    namespace() {
      const { options, kubectl } = known();
      namespace ??=
        options.namespace === undefined ? currentNamespace(kubectl) : Promise.resolve(options.namespace);
      return namespace;
    },
    async pathOf(name, absolute) {
      return checkedPath(absolute ? name : `secrets/${await context.namespace()}/${name}`);
    },
    connection(scope) {
      const { config, kubectl } = known();
      connection ??= import("./agent/connect.ts").then(async ({ connect }) => {
        opened = await connect(config, kubectl, scope);
        return opened;
      });
      return connection;
    },
    agent: async (scope) => (await context.connection(scope)).agent,
    terminal() {
      terminal ??= openTerminal(io);
      return terminal;
    },
    async close() {
      terminal?.close();
      // One that is not open yet is not waited for: a signal would not be obeyed for as long. Its kubectl ends with the process.
      await opened?.close();
    },
  };
  return context;
};

const checkedGlobals = (env: Environment, options: OptionValues<GlobalOptions>): Globals => {
  const { namespace, context, kubeconfig } = options;
  const parsed = parseKubectlHsmConfig(env, options);
  if (!parsed.ok) throw new CommandFailed("usage", parsed.faults.join("\n"));
  if (namespace !== undefined && !isNamespace(namespace)) {
    throw new CommandFailed("usage", "-n: not a namespace's name");
  }
  return { options, config: parsed.config, kubectl: createKubectl({ env, context, kubeconfig }) };
};

const checkedPath = (path: string): string => {
  if (!isHsmPath(path) || path.endsWith(`/${METADATA_SEGMENT}`)) {
    throw new CommandFailed(
      "usage",
      'NAME must be segments of letters, digits, ".", "_" and "-" joined by "/", none of them "." or ".." and the last not "_metadata", 255 bytes at most with what is before it',
    );
  }
  return path;
};

const formatOf = (output: string | undefined): Format =>
  output === "json" || output === "yaml" ? output : "text";
