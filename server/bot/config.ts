// SPDX-License-Identifier: Apache-2.0
// Parses the bot's configuration from its environment variables; those of the bot that it replaces keep their names.
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { DNS_LABEL, DNS_SUBDOMAIN, MAX_NAME } from "../../hooks/formats.ts";
import {
  checkExposure,
  type ListenerConfig,
  LOG_VARIABLES,
  type LogLevel,
  listenHost,
  listenPort,
  readListener,
  readTokenPath,
  TLS_VARIABLES,
} from "../config/listener.ts";
import { MATRIX_VARIABLES, type MatrixConfig, readMatrix } from "../config/matrix.ts";
import { boolean, choice, file, integer, pattern, text, type ValuesOf } from "../config/variable-table.ts";
import {
  type ConfigResult,
  complete,
  deepFreeze,
  type Environment,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";
import { KUBERNETES_VARIABLES, type KubernetesConfig, readKubernetes } from "../kubernetes/config.ts";
import { SERVICE_ACCOUNT_DIRECTORY } from "../kubernetes/in-cluster.ts";
import { ADDRESSING_MODES, type Addressing } from "./addressing.ts";
import { isTimeZone } from "./duration.ts";
import { parseIdentities, parseUsers, type TrustedIdentity } from "./user-list.ts";

/** Which library encrypts: `auto` takes the native one where it is present. */
const CRYPTO_ENGINES = ["auto", "native", "wasm"] as const;
type CryptoEngine = (typeof CRYPTO_ENGINES)[number];

/** Whether a user whose identity changed is obeyed with a warning, or refused. */
const TRUST_POLICIES = ["warn", "refuse"] as const;
type TrustPolicy = (typeof TRUST_POLICIES)[number];

export type BotConfig = ListenerConfig & {
  /** Whose tokens may read /metrics. */
  metricsTokenFile?: string;
  matrix: MatrixConfig;
  kubernetes: KubernetesConfig;
  /** Full user ids; at least one. */
  allowedUsers: string[];
  /** The Toggle that a command without a name is about, and the namespace whose Toggles the bot switches. */
  toggle: { name: string; namespace: string };
  /** Whether a message is repeated to its room before it is acted on. */
  echoMode: boolean;
  /** Which lines of a room are said to the bot. */
  addressing: Addressing;
  commandMaxAgeSeconds: number;
  /** Of the times of day in commands. */
  timeZone: string;
  crypto: {
    /** Folder of the bot's store; it is made if it is missing. */
    storePath: string;
    engine: CryptoEngine;
    recoveryKeyFile?: string;
  };
  trust: { policy: TrustPolicy; identities: TrustedIdentity[] };
};

/** loguru's levels, which the bot that we replace is configured with. */
const LOGURU_LEVELS = ["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"] as const;

const LEVEL_OF: Readonly<Record<(typeof LOGURU_LEVELS)[number], LogLevel>> = {
  TRACE: "trace",
  DEBUG: "debug",
  INFO: "info",
  SUCCESS: "info",
  WARNING: "warn",
  ERROR: "error",
  CRITICAL: "fatal",
};

/** RFC 1123: a label for namespaces, a subdomain for the names of objects. */
const NAMESPACE = { pattern: DNS_LABEL };
const OBJECT_NAME = { pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME };

/** The bot's variables. */
export const BOT_VARIABLES = {
  ...LOG_VARIABLES,
  LOGURU_LEVEL: choice(LOGURU_LEVELS, {
    anyCase: true,
    description:
      "the same under its former name: `TRACE`, `DEBUG`, `INFO`, `SUCCESS`, `WARNING`, `ERROR` or `CRITICAL`; `LOG_LEVEL` goes before it",
  }),
  LISTEN_HOST: listenHost(", for probes and metrics"),
  LISTEN_PORT: listenPort(8445),
  ...TLS_VARIABLES,
  METRICS_TOKEN_FILE: file({ description: "tokens that may read `/metrics`" }),
  ...MATRIX_VARIABLES,
  MATRIX_RECOVERY_KEY_FILE: file({
    description:
      "file with the recovery key of the bot's account, with which a new device is signed after a lost volume; `bot setup` makes one",
  }),
  ALLOWED_USERS: text({
    required: true,
    description: "who may command the bot and invite it; full user ids, comma-separated",
  }),
  DEPLOYMENT_NAME: pattern(OBJECT_NAME, "a Kubernetes name such as web", {
    default: "clawdbot",
    description:
      "name of the Toggle that a command without a name is about; where it is set, a bare `start`, `stop`, `on` or `off` counts in every room",
  }),
  DEPLOYMENT_NAMESPACE: pattern(NAMESPACE, "a namespace's name", {
    default: "clawdbot",
    description: "namespace of the Toggles",
  }),
  TOGGLE_NAMESPACE: pattern(NAMESPACE, "a namespace's name", {
    description: "another name for `DEPLOYMENT_NAMESPACE`; where both are set they must be the same",
  }),
  ECHO_MODE: boolean({
    default: true,
    description:
      "whether a message is repeated before it is acted on, in a room with more than two members by a reaction: `true`, `1`, `yes`, `false`, `0` or `no`",
  }),
  ADDRESSING: choice(ADDRESSING_MODES, {
    default: "auto",
    description:
      "which lines of a room with more than two members are said to the bot: what addresses it and whole commands with a Toggle's name (`auto`), only what addresses it (`mention`), or every line (`always`); [chat.md](chat.md#being-spoken-to)",
  }),
  COMMAND_PREFIX: pattern({ pattern: "^\\S{1,32}$" }, "1 to 32 characters without spaces", {
    default: "!",
    description: "what a line begins with that is said to the bot, such as `!stop web`",
  }),
  COMMAND_MAX_AGE_SECONDS: integer(1, 86_400, {
    default: 120,
    description: "older commands are not run, 1 to 86400",
  }),
  TIME_ZONE: text({
    default: "UTC",
    description: "time zone of the times of day in commands, such as `start until 18:00`: `Europe/Berlin`",
  }),
  CRYPTO_STORE_PATH: pattern({ pattern: "^/" }, "an absolute path", {
    default: "/data/crypto_store",
    description: "folder of the bot's session and keys, which must outlive the process; one bot at a time",
  }),
  CRYPTO_ENGINE: choice(CRYPTO_ENGINES, {
    default: "auto",
    description:
      "what encrypts: `native` (a library that has to be installed), `wasm`, or `auto` (native where it is there)",
  }),
  TRUST_POLICY: choice(TRUST_POLICIES, {
    default: "warn",
    description: "a user whose identity key changed is obeyed after a warning (`warn`), or not (`refuse`)",
  }),
  TRUSTED_IDENTITIES: text({
    description: "identities that are known beforehand: `@user:server=<public master key in base64>,…`",
  }),
  ...KUBERNETES_VARIABLES,
};
type BotReader = VariableReader<ValuesOf<typeof BOT_VARIABLES>>;

/**
 * The bot's configuration, frozen, or every fault of it.
 * @param serviceAccountDirectory where Kubernetes mounts the service account
 */
export const parseBotConfig = (
  env: Environment,
  serviceAccountDirectory: string = SERVICE_ACCOUNT_DIRECTORY,
): ConfigResult<BotConfig> => {
  const reader = readVariables(env, BOT_VARIABLES);
  const listener = readListener(reader);
  const loguru = reader.value("LOGURU_LEVEL");
  const metricsTokenFile = readTokenPath(reader, "METRICS_TOKEN_FILE");
  checkExposure(reader, listener, ["METRICS_TOKEN_FILE"], reader.isSet("METRICS_TOKEN_FILE"));
  const matrix = readMatrix(reader);
  const recoveryKeyFile = reader.value("MATRIX_RECOVERY_KEY_FILE");
  const { allowedUsers, identities } = readPeople(reader);
  const toggle = readToggle(reader);
  const echoMode = reader.value("ECHO_MODE");
  const addressing = readAddressing(reader);
  const commandMaxAgeSeconds = reader.value("COMMAND_MAX_AGE_SECONDS");
  const timeZone = readTimeZone(reader);
  const crypto = complete({ storePath: readStorePath(reader), engine: reader.value("CRYPTO_ENGINE") });
  const policy = reader.value("TRUST_POLICY");
  const kubernetes = readKubernetes(reader, serviceAccountDirectory);
  const needed = complete({
    ...{ matrix, kubernetes, toggle, echoMode, addressing, commandMaxAgeSeconds, timeZone, crypto, policy },
  });
  if (needed === undefined || reader.faults.length > 0) return { ok: false, faults: reader.faults };
  const { policy: trustPolicy, ...settings } = needed;
  const config: BotConfig = {
    ...listener,
    ...(!reader.isSet("LOG_LEVEL") && loguru !== undefined && { logLevel: LEVEL_OF[loguru] }),
    ...(metricsTokenFile !== undefined && { metricsTokenFile }),
    ...settings,
    allowedUsers,
    crypto: { ...settings.crypto, ...(recoveryKeyFile !== undefined && { recoveryKeyFile }) },
    trust: { policy: trustPolicy, identities },
  };
  return { ok: true, config: deepFreeze(config) };
};

const readPeople = (reader: BotReader) => {
  const list = reader.value("ALLOWED_USERS");
  const { users, faults } = list === undefined ? { users: [], faults: [] } : parseUsers(list);
  for (const message of faults) reader.fault("ALLOWED_USERS", message);
  const trusted = parseIdentities(reader.value("TRUSTED_IDENTITIES") ?? "", users);
  for (const message of trusted.faults) reader.fault("TRUSTED_IDENTITIES", message);
  return { allowedUsers: users, identities: trusted.identities };
};

/** A Toggle switches a Deployment of its own namespace, so that two different namespaces are a contradiction. */
const readToggle = (reader: BotReader): BotConfig["toggle"] | undefined => {
  const name = reader.value("DEPLOYMENT_NAME");
  const ofDeployment = reader.value("DEPLOYMENT_NAMESPACE");
  const ofToggle = reader.value("TOGGLE_NAMESPACE");
  if (
    reader.isSet("DEPLOYMENT_NAMESPACE") &&
    ofToggle !== undefined &&
    ofDeployment !== undefined &&
    ofToggle !== ofDeployment
  ) {
    reader.fault("TOGGLE_NAMESPACE", "must be the same as DEPLOYMENT_NAMESPACE, or one of the two unset");
  }
  const namespace = ofToggle ?? ofDeployment;
  return name === undefined || namespace === undefined ? undefined : { name, namespace };
};

const readAddressing = (reader: BotReader): Addressing | undefined =>
  complete({
    mode: reader.value("ADDRESSING"),
    prefix: reader.value("COMMAND_PREFIX"),
    bare: reader.isSet("DEPLOYMENT_NAME"),
  });

const readTimeZone = (reader: BotReader): string | undefined => {
  const zone = reader.value("TIME_ZONE");
  if (zone === undefined || isTimeZone(zone)) return zone;
  reader.fault("TIME_ZONE", "must be a time zone such as Europe/Berlin");
  return undefined;
};

const readStorePath = (reader: BotReader): string | undefined => {
  const path = reader.value("CRYPTO_STORE_PATH");
  const why = path === undefined ? undefined : whyUnwritable(path);
  if (why !== undefined) reader.fault("CRYPTO_STORE_PATH", `${path} ${why}`);
  return path;
};

/** Why no folder can be had at `path`, of which the last parts may not be there yet; undefined when it can. */
const whyUnwritable = (path: string): string | undefined => {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return whyUnwritable(dirname(path));
    if (!found.isDirectory()) return "is not, and can't be, a folder";
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTDIR") return "is not, and can't be, a folder";
    return code === "EACCES" || code === "EROFS" ? "can't be written" : `can't be used (${code})`;
  }
};
