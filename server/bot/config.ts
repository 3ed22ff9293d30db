// SPDX-License-Identifier: Apache-2.0
// The bot's configuration, from its environment variables; those of the bot that it replaces keep their names.
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { Type } from "@sinclair/typebox";
import { DNS_LABEL, DNS_SUBDOMAIN, MAX_NAME } from "../../hooks/formats.ts";
import {
  checkExposure,
  LISTENER_VARIABLES,
  type ListenerConfig,
  type LogLevel,
  readListener,
  readTokenPath,
} from "../config/listener.ts";
import { MATRIX_VARIABLES, type MatrixConfig, readMatrix } from "../config/matrix.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";
import { KUBERNETES_VARIABLES, type KubernetesConfig, readKubernetes } from "../kubernetes/config.ts";
import { SERVICE_ACCOUNT_DIRECTORY } from "../kubernetes/in-cluster.ts";
import { parseIdentities, parseUsers, type TrustedIdentity } from "./user-list.ts";

/** The bot's variables and their defaults; docs/configuration.md is checked against it. */
export const BOT_VARIABLES = {
  ...LISTENER_VARIABLES,
  LOGURU_LEVEL: null,
  LISTEN_PORT: "8445",
  METRICS_TOKEN_FILE: null,
  ...MATRIX_VARIABLES,
  MATRIX_RECOVERY_KEY_FILE: null,
  ALLOWED_USERS: null,
  DEPLOYMENT_NAME: "clawdbot",
  DEPLOYMENT_NAMESPACE: "clawdbot",
  TOGGLE_NAMESPACE: null,
  ECHO_MODE: "true",
  COMMAND_MAX_AGE_SECONDS: "120",
  CRYPTO_STORE_PATH: "/data/crypto_store",
  CRYPTO_ENGINE: "auto",
  TRUST_POLICY: "warn",
  TRUSTED_IDENTITIES: null,
  ...KUBERNETES_VARIABLES,
} as const;
type BotVariable = keyof typeof BOT_VARIABLES;
type BotReader = VariableReader<BotVariable>;

/** Which library encrypts: `auto` takes the native one where it is present. */
export const CRYPTO_ENGINES = ["auto", "native", "wasm"] as const;
export type CryptoEngine = (typeof CRYPTO_ENGINES)[number];

/** Whether a user whose identity changed is obeyed with a warning, or refused. */
export const TRUST_POLICIES = ["warn", "refuse"] as const;
export type TrustPolicy = (typeof TRUST_POLICIES)[number];

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
  commandMaxAgeSeconds: number;
  crypto: {
    /** Folder of the bot's store; it is made if it is missing. */
    storePath: string;
    engine: CryptoEngine;
    recoveryKeyFile?: string;
  };
  trust: { policy: TrustPolicy; identities: TrustedIdentity[] };
};

/** RFC 1123: a label for namespaces, a subdomain for the names of objects. */
const Namespace = Type.String({ pattern: DNS_LABEL });
const ObjectName = Type.String({ pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME });
const AbsolutePath = Type.String({ pattern: "^/" });

/** loguru's levels, which the bot that we replace is configured with. */
const LOGURU_LEVELS: Readonly<Record<string, LogLevel>> = {
  TRACE: "trace",
  DEBUG: "debug",
  INFO: "info",
  SUCCESS: "info",
  WARNING: "warn",
  ERROR: "error",
  CRITICAL: "fatal",
};

/**
 * The bot's configuration, frozen, or every fault of it.
 * @param serviceAccountDirectory where Kubernetes mounts the service account
 */
export const parseBotConfig = (
  env: Environment,
  serviceAccountDirectory: string = SERVICE_ACCOUNT_DIRECTORY,
): ConfigResult<BotConfig> => {
  const reader = readVariables(env, BOT_VARIABLES);
  const isSet = (name: BotVariable) => (env[name]?.trim() ?? "") !== "";
  const listener = readListener(reader);
  const loguru = readLoguruLevel(reader);
  const metricsTokenFile = readTokenPath(reader, "METRICS_TOKEN_FILE");
  checkExposure(reader, listener, ["METRICS_TOKEN_FILE"], isSet("METRICS_TOKEN_FILE"));
  const matrix = readMatrix(reader);
  const recoveryKeyFile = reader.file("MATRIX_RECOVERY_KEY_FILE");
  const { allowedUsers, identities } = readPeople(reader);
  const toggle = readToggle(reader, isSet);
  const echoMode = reader.boolean("ECHO_MODE");
  const commandMaxAgeSeconds = reader.integer("COMMAND_MAX_AGE_SECONDS", 1, 86_400);
  const storePath = readStorePath(reader);
  const engine = reader.oneOf("CRYPTO_ENGINE", CRYPTO_ENGINES);
  const policy = reader.oneOf("TRUST_POLICY", TRUST_POLICIES);
  const kubernetes = readKubernetes(reader, serviceAccountDirectory);
  if (
    reader.faults.length > 0 ||
    matrix === undefined ||
    toggle === undefined ||
    echoMode === undefined ||
    commandMaxAgeSeconds === undefined ||
    storePath === undefined ||
    engine === undefined ||
    policy === undefined ||
    kubernetes === undefined
  )
    return { ok: false, faults: reader.faults };
  const config: BotConfig = {
    ...listener,
    ...(!isSet("LOG_LEVEL") && loguru !== undefined && { logLevel: loguru }),
    ...(metricsTokenFile !== undefined && { metricsTokenFile }),
    matrix,
    kubernetes,
    allowedUsers,
    toggle,
    echoMode,
    commandMaxAgeSeconds,
    crypto: { storePath, engine, ...(recoveryKeyFile !== undefined && { recoveryKeyFile }) },
    trust: { policy, identities },
  };
  return { ok: true, config: deepFreeze(config) };
};

const readLoguruLevel = (reader: BotReader): LogLevel | undefined => {
  const name = reader.raw("LOGURU_LEVEL")?.toUpperCase();
  if (name === undefined) return undefined;
  if (!Object.hasOwn(LOGURU_LEVELS, name))
    reader.fault("LOGURU_LEVEL", `must be one of ${Object.keys(LOGURU_LEVELS).join(", ")}`);
  return LOGURU_LEVELS[name];
};

const readPeople = (reader: BotReader) => {
  const list = reader.required("ALLOWED_USERS", reader.raw("ALLOWED_USERS"));
  const { users, faults } = list === undefined ? { users: [], faults: [] } : parseUsers(list);
  for (const message of faults) reader.fault("ALLOWED_USERS", message);
  const trusted = parseIdentities(reader.raw("TRUSTED_IDENTITIES") ?? "", users);
  for (const message of trusted.faults) reader.fault("TRUSTED_IDENTITIES", message);
  return { allowedUsers: users, identities: trusted.identities };
};

/** A Toggle switches a Deployment of its own namespace, so that two different namespaces are a contradiction. */
const readToggle = (
  reader: BotReader,
  isSet: (name: BotVariable) => boolean,
): BotConfig["toggle"] | undefined => {
  const name = reader.text("DEPLOYMENT_NAME", ObjectName, "a Kubernetes name such as web");
  const ofDeployment = reader.text("DEPLOYMENT_NAMESPACE", Namespace, "a namespace's name");
  const ofToggle = reader.text("TOGGLE_NAMESPACE", Namespace, "a namespace's name");
  if (
    isSet("DEPLOYMENT_NAMESPACE") &&
    ofToggle !== undefined &&
    ofDeployment !== undefined &&
    ofToggle !== ofDeployment
  )
    reader.fault("TOGGLE_NAMESPACE", "must be the same as DEPLOYMENT_NAMESPACE, or one of the two unset");
  const namespace = ofToggle ?? ofDeployment;
  return name === undefined || namespace === undefined ? undefined : { name, namespace };
};

const readStorePath = (reader: BotReader): string | undefined => {
  const path = reader.text("CRYPTO_STORE_PATH", AbsolutePath, "an absolute path");
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
