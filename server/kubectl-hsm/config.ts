// SPDX-License-Identifier: Apache-2.0
// What `kubectl hsm` is told by its options, and by variables where an option is not given.

import { isNamespace, isObjectName } from "../../hooks/formats.ts";
import { isLoopback } from "../config/loopback.ts";
import { type Environment, readVariables, type VariableReader } from "../config/variables.ts";

/** The variables, each with its default, or null where there is none. An option of the same name goes first. */
export const KUBECTL_HSM_VARIABLES = {
  KEYSWITCH_SERVER: null,
  KEYSWITCH_SERVER_NAME: null,
  KEYSWITCH_CA_FILE: null,
  KEYSWITCH_TOKEN_FILE: null,
  KEYSWITCH_AGENT: null,
  KEYSWITCH_NAMESPACE: "keyswitch",
  KEYSWITCH_TIMEOUT_SECONDS: "60",
  KEYSWITCH_CONNECT_TIMEOUT_SECONDS: "15",
} as const;
type Name = keyof typeof KUBECTL_HSM_VARIABLES;

/** How the agent is reached: at an address, or by a port-forward that kubectl opens. */
type AgentTarget =
  | { kind: "direct"; origin: string; serverName?: string; caFile?: string; tokenFile?: string }
  | { kind: "port-forward"; agent?: string };

export type KubectlHsmConfig = {
  target: AgentTarget;
  keyswitchNamespace: string;
  timeoutMs: number;
  connectTimeoutMs: number;
};

/** The options that stand for variables. */
export type KubectlHsmOptions = {
  server?: string | undefined;
  "server-name"?: string | undefined;
  "ca-file"?: string | undefined;
  "token-file"?: string | undefined;
  agent?: string | undefined;
  "keyswitch-namespace"?: string | undefined;
  timeout?: string | undefined;
  "connect-timeout"?: string | undefined;
};

const OPTION_OF: Readonly<Record<Name, keyof KubectlHsmOptions>> = {
  KEYSWITCH_SERVER: "server",
  KEYSWITCH_SERVER_NAME: "server-name",
  KEYSWITCH_CA_FILE: "ca-file",
  KEYSWITCH_TOKEN_FILE: "token-file",
  KEYSWITCH_AGENT: "agent",
  KEYSWITCH_NAMESPACE: "keyswitch-namespace",
  KEYSWITCH_TIMEOUT_SECONDS: "timeout",
  KEYSWITCH_CONNECT_TIMEOUT_SECONDS: "connect-timeout",
};

/** The configuration, or every fault of it as "--option …" or "VARIABLE …". */
export const parseKubectlHsmConfig = (
  env: Environment,
  options: KubectlHsmOptions,
): { ok: true; config: KubectlHsmConfig } | { ok: false; faults: string[] } => {
  // An option of where the agent is decides alone: a variable that says otherwise is not asked.
  const wanted =
    options.agent !== undefined && options.server === undefined
      ? { ...env, KEYSWITCH_SERVER: undefined }
      : env;
  const merged = Object.fromEntries(
    Object.entries(OPTION_OF).map(([name, option]) => [name, options[option] ?? wanted[name]]),
  );
  const reader = readVariables<Name>(merged, KUBECTL_HSM_VARIABLES);
  const server = reader.raw("KEYSWITCH_SERVER");
  const origin = server === undefined ? undefined : originOf(server);
  if (origin !== undefined && !origin.ok) reader.fault("KEYSWITCH_SERVER", origin.message);
  if (server !== undefined && options.agent !== undefined)
    reader.fault("KEYSWITCH_AGENT", "is of no use beside --server");
  checkFile(reader, options, "KEYSWITCH_CA_FILE");
  checkFile(reader, options, "KEYSWITCH_TOKEN_FILE");
  const keyswitchNamespace = reader.raw("KEYSWITCH_NAMESPACE") ?? "";
  if (!isNamespace(keyswitchNamespace)) reader.fault("KEYSWITCH_NAMESPACE", "must be a namespace's name");
  const agent = reader.raw("KEYSWITCH_AGENT");
  if (agent !== undefined && !isObjectName(agent))
    reader.fault("KEYSWITCH_AGENT", "must be an agent's name, such as hsm");
  const timeout = reader.integer("KEYSWITCH_TIMEOUT_SECONDS", 1, 3600);
  const connectTimeout = reader.integer("KEYSWITCH_CONNECT_TIMEOUT_SECONDS", 1, 600);
  if (reader.faults.length > 0 || timeout === undefined || connectTimeout === undefined)
    return {
      ok: false,
      faults: reader.faults.map(({ name, message }) => `${sourceOf(name, options)} ${message}`),
    };
  return {
    ok: true,
    config: {
      target: origin?.ok
        ? directTarget(reader, origin.origin)
        : { kind: "port-forward", ...optional("agent", agent) },
      keyswitchNamespace,
      timeoutMs: timeout * 1000,
      connectTimeoutMs: connectTimeout * 1000,
    },
  };
};

/** Such a file has to be readable, and as an option it makes sense with an address alone. */
const checkFile = (
  reader: VariableReader<Name>,
  options: KubectlHsmOptions,
  file: "KEYSWITCH_CA_FILE" | "KEYSWITCH_TOKEN_FILE",
): void => {
  reader.file(file);
  const isGiven = reader.raw(file) !== undefined && options[OPTION_OF[file]] !== undefined;
  if (isGiven && reader.raw("KEYSWITCH_SERVER") === undefined)
    reader.fault(file, "is of use with --server alone");
};

const optional = <K extends string>(key: K, value: string | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };

const directTarget = (reader: VariableReader<Name>, origin: string): AgentTarget => ({
  kind: "direct",
  origin,
  ...optional("serverName", reader.raw("KEYSWITCH_SERVER_NAME")),
  ...optional("caFile", reader.raw("KEYSWITCH_CA_FILE")),
  ...optional("tokenFile", reader.raw("KEYSWITCH_TOKEN_FILE")),
});

const sourceOf = (name: string, options: KubectlHsmOptions): string => {
  const option = Object.entries(OPTION_OF).find(([variable]) => variable === name)?.[1];
  return option !== undefined && options[option] !== undefined ? `--${option}` : name;
};

const originOf = (server: string): { ok: true; origin: string } | { ok: false; message: string } => {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol))
    return { ok: false, message: "must be an https:// address" };
  if (url.username !== "" || url.password !== "")
    return { ok: false, message: "must not hold credentials; --token-file is the place for them" };
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    return { ok: false, message: "must be scheme, host and port alone" };
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    return { ok: false, message: "must use https://; http:// is accepted on loopback alone" };
  return { ok: true, origin: url.origin };
};
