// SPDX-License-Identifier: Apache-2.0
// The agent's configuration, from its environment variables.
import { Type } from "@sinclair/typebox";
import { AGENT_NAME, MAX_NAME } from "../../hooks/formats.ts";
import {
  checkExposure,
  LISTENER_VARIABLES,
  type ListenerConfig,
  readListener,
  readOptionalTokenPath,
  readTokenPath,
} from "../config/listener.ts";
import {
  type ConfigResult,
  deepFreeze,
  type Environment,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";

/** The agent's variables and their defaults; docs/configuration.md is checked against it. */
export const AGENT_VARIABLES = {
  ...LISTENER_VARIABLES,
  LISTEN_PORT: "8444",
  READ_TOKEN_FILE: null,
  WRITE_TOKEN_FILE: null,
  DEVICE_NAME: null,
  NODE_NAME: null,
  PKCS11_MODULE: null,
  PKCS11_TOKEN_LABEL: null,
  PKCS11_SLOT: null,
  PKCS11_PUBLIC_OBJECTS: "refuse",
  PKCS11_PIN_FILE: null,
  PKCS11_CACHE: "auto",
  PKCS11_MAX_OBJECTS: null,
  PKCS11_MAX_OBJECT_BYTES: null,
  RESERVED_OBJECTS: null,
  STORAGE_LAYOUT: "packed",
  OPERATION_TIMEOUT_MS: "10000",
  REFRESH_INTERVAL_MS: "30000",
  SYSFS_ROOT: "/sys",
} as const;

/** Whether the module sees what other processes write: `live` does, `cached` does not, `auto` lets the agent decide. */
export const PKCS11_CACHE_MODES = ["auto", "live", "cached"] as const;
export type Pkcs11Cache = (typeof PKCS11_CACHE_MODES)[number];

/** How writes store a secret: one object for all of it, or one for each key. */
export const STORAGE_LAYOUTS = ["packed", "per-key"] as const;

/** What writes need to know. */
export type WriteConfig = {
  layout: (typeof STORAGE_LAYOUTS)[number];
  /** Data objects that the token takes, where its behaviour should not have to show it. */
  maxObjects?: number;
  /** Bytes that one object takes. */
  maxObjectBytes?: number;
  /** Data objects that writes for a namespace leave free; a tenth of what the token takes, if not given. */
  reservedObjects?: number;
};

/** How to reach the token. Exactly one of `tokenLabel` and `slot` is there. */
export type Pkcs11Config = {
  /** Path of the PKCS#11 module. */
  module: string;
  tokenLabel?: string;
  /** Whether public objects of the per-key layout are believed where there is no private one. */
  readsPublic?: boolean;
  /** CK_SLOT_ID in decimal digits: it has 64 bits. */
  slot?: string;
  pinFile: string;
  cache: Pkcs11Cache;
};

export type AgentConfig = ListenerConfig & {
  readTokenFile?: string;
  /** Absent: the agent is read-only. */
  writeTokenFile?: string;
  deviceName: string;
  nodeName: string;
  pkcs11: Pkcs11Config;
  writes: WriteConfig;
  operationTimeoutMs: number;
  refreshIntervalMs: number;
  sysfsRoot: string;
};

const Name = Type.String({ pattern: AGENT_NAME, maxLength: MAX_NAME });
/** CK_TOKEN_INFO.label is 32 bytes. */
const TokenLabel = Type.String({ minLength: 1, maxLength: 32 });
/** Whether objects that are not private are believed: never, or in the per-key layout where there is no private one. */
const PUBLIC_OBJECTS = ["refuse", "per-key"] as const;
/** CK_SLOT_ID is as wide as a pointer: no number of JavaScript holds all of them. */
const SlotId = Type.String({ pattern: "^[0-9]{1,20}$" });
const AbsolutePath = Type.String({ pattern: "^/" });

/** The agent's configuration, frozen, or every fault of it. */
export const parseAgentConfig = (env: Environment): ConfigResult<AgentConfig> => {
  const reader = readVariables(env, AGENT_VARIABLES);
  const listener = readListener(reader);
  const readTokenFile = readTokenPath(reader, "READ_TOKEN_FILE");
  // A listener on loopback without any token file is open, so that a lone token file has to be there.
  const readWriteToken = reader.raw("READ_TOKEN_FILE") === undefined ? readTokenPath : readOptionalTokenPath;
  const writeTokenFile = readWriteToken(reader, "WRITE_TOKEN_FILE");
  checkExposure(reader, listener, ["READ_TOKEN_FILE"], reader.raw("READ_TOKEN_FILE") !== undefined);
  const name = (variable: "DEVICE_NAME" | "NODE_NAME") =>
    reader.required(variable, reader.text(variable, Name, "a Kubernetes name such as hsm-a"));
  const deviceName = name("DEVICE_NAME");
  const nodeName = name("NODE_NAME");
  const pkcs11 = readPkcs11(reader);
  const writes = readWrites(reader);
  const operationTimeoutMs = reader.integer("OPERATION_TIMEOUT_MS", 100, 600_000);
  const refreshIntervalMs = reader.integer("REFRESH_INTERVAL_MS", 100, 86_400_000);
  const sysfsRoot = reader.text("SYSFS_ROOT", AbsolutePath, "an absolute path");
  if (
    reader.faults.length > 0 ||
    deviceName === undefined ||
    nodeName === undefined ||
    pkcs11 === undefined ||
    writes === undefined ||
    operationTimeoutMs === undefined ||
    refreshIntervalMs === undefined ||
    sysfsRoot === undefined
  )
    return { ok: false, faults: reader.faults };
  const config: AgentConfig = {
    ...listener,
    ...(readTokenFile !== undefined && { readTokenFile }),
    ...(writeTokenFile !== undefined && { writeTokenFile }),
    deviceName,
    nodeName,
    pkcs11,
    writes,
    operationTimeoutMs,
    refreshIntervalMs,
    sysfsRoot,
  };
  return { ok: true, config: deepFreeze(config) };
};

const readWrites = (reader: VariableReader<keyof typeof AGENT_VARIABLES>): WriteConfig | undefined => {
  const layout = reader.oneOf("STORAGE_LAYOUT", STORAGE_LAYOUTS);
  const maxObjects = reader.integer("PKCS11_MAX_OBJECTS", 1, 1_000_000);
  const maxObjectBytes = reader.integer("PKCS11_MAX_OBJECT_BYTES", 512, 1_048_576);
  const reservedObjects = reader.integer("RESERVED_OBJECTS", 0, 1_000_000);
  if (layout === undefined) return undefined;
  return {
    layout,
    ...(reservedObjects !== undefined && { reservedObjects }),
    ...(maxObjects !== undefined && { maxObjects }),
    ...(maxObjectBytes !== undefined && { maxObjectBytes }),
  };
};

const readPkcs11 = (reader: VariableReader<keyof typeof AGENT_VARIABLES>): Pkcs11Config | undefined => {
  const module = reader.required("PKCS11_MODULE", reader.file("PKCS11_MODULE"));
  const tokenLabel = reader.text("PKCS11_TOKEN_LABEL", TokenLabel, "a label of 1 to 32 characters");
  const slot = reader.text("PKCS11_SLOT", SlotId, "a slot id in decimal digits");
  const pinFile = reader.required("PKCS11_PIN_FILE", reader.file("PKCS11_PIN_FILE"));
  const cache = reader.oneOf("PKCS11_CACHE", PKCS11_CACHE_MODES);
  const publicObjects = reader.oneOf("PKCS11_PUBLIC_OBJECTS", PUBLIC_OBJECTS);
  const hasLabel = reader.raw("PKCS11_TOKEN_LABEL") !== undefined;
  const hasSlot = reader.raw("PKCS11_SLOT") !== undefined;
  if (hasLabel && hasSlot) reader.fault("PKCS11_SLOT", "must not be set beside PKCS11_TOKEN_LABEL");
  if (!hasLabel && !hasSlot) reader.fault("PKCS11_TOKEN_LABEL", "is required, unless PKCS11_SLOT is set");
  if (module === undefined || pinFile === undefined || cache === undefined) return undefined;
  return {
    module,
    ...(tokenLabel !== undefined && { tokenLabel }),
    ...(slot !== undefined && { slot }),
    ...(publicObjects === "per-key" && { readsPublic: true }),
    pinFile,
    cache,
  };
};
