// SPDX-License-Identifier: Apache-2.0
// Merges the options of `kubectl hsm` with its environment variables, which apply where an option is not given.

import { DNS_LABEL, DNS_SUBDOMAIN } from "../../hooks/formats.ts";
import { isLoopback } from "../config/loopback.ts";
import { file, integer, pattern, text, type ValuesOf } from "../config/variable-table.ts";
import {
  complete,
  type Environment,
  present,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";

/** The variables. An option of the same name goes first. */
export const KUBECTL_HSM_VARIABLES = {
  KEYSWITCH_SERVER: text({
    description: "the agent's address, `https://host:port`; `http://` on loopback alone",
  }),
  KEYSWITCH_SERVER_NAME: text({ description: "the name in its certificate, if it is not the address's" }),
  KEYSWITCH_CA_FILE: file({ description: "the CA of its certificate; without it, the system's" }),
  KEYSWITCH_TOKEN_FILE: file({ description: "a file with the agent's read or write token" }),
  KEYSWITCH_AGENT: pattern({ pattern: DNS_SUBDOMAIN }, "an agent's name, such as hsm", {
    description: "which agent, where there are several: its pods' label `hsm.j5t.io/device`",
  }),
  KEYSWITCH_NAMESPACE: pattern({ pattern: DNS_LABEL }, "a namespace's name", {
    default: "keyswitch",
    description: "where Keyswitch is installed",
  }),
  KEYSWITCH_TIMEOUT_SECONDS: integer(1, 3600, { default: 60, description: "for each request" }),
  KEYSWITCH_CONNECT_TIMEOUT_SECONDS: integer(1, 600, {
    default: 15,
    description: "for the port-forward and the connection",
  }),
};
type Name = keyof typeof KUBECTL_HSM_VARIABLES;
type Reader = VariableReader<ValuesOf<typeof KUBECTL_HSM_VARIABLES>>;

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

/** The option that stands for each variable. */
export const OPTION_OF: Readonly<Record<Name, keyof KubectlHsmOptions>> = {
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
  const reader = readVariables(merged, KUBECTL_HSM_VARIABLES);
  const server = reader.value("KEYSWITCH_SERVER");
  const origin = server === undefined ? undefined : originOf(server);
  if (origin !== undefined && !origin.ok) reader.fault("KEYSWITCH_SERVER", origin.message);
  if (server !== undefined && options.agent !== undefined) {
    reader.fault("KEYSWITCH_AGENT", "is of no use beside --server");
  }
  checkFile(reader, options, "KEYSWITCH_CA_FILE");
  checkFile(reader, options, "KEYSWITCH_TOKEN_FILE");
  const keyswitchNamespace = reader.value("KEYSWITCH_NAMESPACE");
  const agent = reader.value("KEYSWITCH_AGENT");
  const timeout = reader.value("KEYSWITCH_TIMEOUT_SECONDS");
  const connectTimeout = reader.value("KEYSWITCH_CONNECT_TIMEOUT_SECONDS");
  const needed = complete({ keyswitchNamespace, timeout, connectTimeout });
  if (reader.faults.length > 0 || needed === undefined) {
    return {
      ok: false,
      faults: reader.faults.map(({ name, message }) => `${sourceOf(name, options)} ${message}`),
    };
  }
  return {
    ok: true,
    config: {
      target: origin?.ok
        ? directTarget(reader, origin.origin)
        : { kind: "port-forward", ...(agent !== undefined && { agent }) },
      keyswitchNamespace: needed.keyswitchNamespace,
      timeoutMs: needed.timeout * 1000,
      connectTimeoutMs: needed.connectTimeout * 1000,
    },
  };
};

/** Such a file has to be readable, and as an option it makes sense with an address alone. */
const checkFile = (
  reader: Reader,
  options: KubectlHsmOptions,
  name: "KEYSWITCH_CA_FILE" | "KEYSWITCH_TOKEN_FILE",
): void => {
  reader.value(name);
  const isGiven = reader.isSet(name) && options[OPTION_OF[name]] !== undefined;
  if (isGiven && !reader.isSet("KEYSWITCH_SERVER")) reader.fault(name, "is of use with --server alone");
};

const directTarget = (reader: Reader, origin: string): AgentTarget => ({
  kind: "direct",
  origin,
  ...present({
    serverName: reader.value("KEYSWITCH_SERVER_NAME"),
    caFile: reader.value("KEYSWITCH_CA_FILE"),
    tokenFile: reader.value("KEYSWITCH_TOKEN_FILE"),
  }),
});

const sourceOf = (name: string, options: KubectlHsmOptions): string => {
  const option = Object.entries(OPTION_OF).find(([variable]) => variable === name)?.[1];
  return option !== undefined && options[option] !== undefined ? `--${option}` : name;
};

const originOf = (server: string): { ok: true; origin: string } | { ok: false; message: string } => {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { ok: false, message: "must be an https:// address" };
  }
  if (url.username !== "" || url.password !== "") {
    return { ok: false, message: "must not hold credentials; --token-file is the place for them" };
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return { ok: false, message: "must be scheme, host and port alone" };
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return { ok: false, message: "must use https://; http:// is accepted on loopback alone" };
  }
  return { ok: true, origin: url.origin };
};
