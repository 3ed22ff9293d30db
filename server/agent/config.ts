// SPDX-License-Identifier: Apache-2.0
// Parses the agent's configuration from its environment variables.
import { AGENT_NAME, MAX_NAME } from "../../hooks/formats.ts";
import {
  checkCa,
  checkExposure,
  type ListenerConfig,
  listenerVariables,
  readListener,
  readOptionalTokenPath,
  readTokenPath,
} from "../config/listener.ts";
import {
  boolean,
  choice,
  file,
  integer,
  laterFile,
  pattern,
  type ValuesOf,
} from "../config/variable-table.ts";
import {
  type ConfigResult,
  complete,
  deepFreeze,
  type Environment,
  present,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";

/** Whether objects that are not private are believed: never, or in the per-key layout where there is no private one. */
const PUBLIC_OBJECTS = ["refuse", "per-key"] as const;

/** Whether the module sees what other processes write: `live` does, `cached` does not, `auto` lets the agent decide. */
const PKCS11_CACHE_MODES = ["auto", "live", "cached"] as const;
type Pkcs11Cache = (typeof PKCS11_CACHE_MODES)[number];

/** How writes store a secret: one object for all of it, or one for each key. */
const STORAGE_LAYOUTS = ["packed", "per-key"] as const;

/** What writes need to know. */
type WriteConfig = {
  layout: (typeof STORAGE_LAYOUTS)[number];
  /** Data objects that the token takes, where its behaviour should not have to show it. */
  maxObjects?: number;
  /** Bytes that one object takes. */
  maxObjectBytes?: number;
  /** Data objects that writes for a namespace leave free; a tenth of what the token takes, if not given. */
  reservedObjects?: number;
};

/** How to reach the token. Exactly one of `tokenLabel` and `slot` is there. */
type Pkcs11Config = {
  /** Path of the PKCS#11 module. */
  module: string;
  tokenLabel?: string;
  /** Whether public objects of the per-key layout are believed where there is no private one. */
  readsPublic?: boolean;
  /** CK_SLOT_ID in decimal digits: it has 64 bits. */
  slot?: string;
  pinFile: string;
  /** Counts in place of `pinFile` while it exists. */
  ownPinFile?: string;
  cache: Pkcs11Cache;
  /** Whether a blank token is to be set up, and the file that gets its SO PIN. */
  provision?: { soPinFile: string };
};

export type AgentConfig = ListenerConfig & {
  readTokenFile?: string;
  /** Absent: the agent is read-only. */
  writeTokenFile?: string;
  /** Absent: the agent belongs to no set of HSMs, and takes writes by itself. */
  roleTokenFile?: string;
  /** CA of the other agents of its set; absent: the system's. */
  peerCaFile?: string;
  deviceName: string;
  nodeName: string;
  pkcs11: Pkcs11Config;
  writes: WriteConfig;
  operationTimeoutMs: number;
  refreshIntervalMs: number;
  sysfsRoot: string;
};

/** A Kubernetes name (RFC 1123 subdomain). */
const kubernetesName = (description: string) =>
  pattern({ pattern: AGENT_NAME, maxLength: MAX_NAME }, "a Kubernetes name such as hsm-a", {
    required: true,
    description,
  });

/** The agent's variables. */
export const AGENT_VARIABLES = {
  ...listenerVariables(8444),
  READ_TOKEN_FILE: file({ description: "tokens that may read" }),
  WRITE_TOKEN_FILE: file({
    description:
      "tokens that may read and write; unset, or no such file beside `READ_TOKEN_FILE`: nobody may write",
  }),
  ROLE_TOKEN_FILE: file({
    description:
      "tokens that may give the agent its role in a [set of HSMs](mirroring.md); unset: it belongs to none, and takes writes by itself",
  }),
  PEER_CA_FILE: file({
    description:
      "PEM certificates that sign those of the other agents of its set, which it asks with the first token of `WRITE_TOKEN_FILE`, else of `READ_TOKEN_FILE`; unset: the system's",
  }),
  DEVICE_NAME: kubernetesName("name of this HSM"),
  NODE_NAME: kubernetesName("name of this node"),
  PKCS11_MODULE: file({ required: true, description: "path of the PKCS#11 module" }),
  // CK_TOKEN_INFO.label is 32 bytes.
  PKCS11_TOKEN_LABEL: pattern({ minLength: 1, maxLength: 32 }, "a label of 1 to 32 characters", {
    description: "label of the token; this or `PKCS11_SLOT` is required, not both",
  }),
  // CK_SLOT_ID is as wide as a pointer: no number of JavaScript holds all of them.
  PKCS11_SLOT: pattern({ pattern: "^[0-9]{1,20}$" }, "a slot id in decimal digits", {
    description:
      "slot id of the token, a whole number; where several tokens have one label, the message of the agent lists theirs",
  }),
  PKCS11_PUBLIC_OBJECTS: choice(PUBLIC_OBJECTS, {
    default: "refuse",
    description:
      "`per-key`: believe objects that are not private, for a module that can't keep data objects private ([storage.md](storage.md#public-objects))",
  }),
  PKCS11_PIN_FILE: file({
    required: true,
    description: "file with the user PIN alone, in one line ([rules](hsm-setup.md#pin-rules))",
  }),
  PKCS11_OWN_PIN_FILE: laterFile({
    description:
      "a file that counts in place of `PKCS11_PIN_FILE` while it exists, for a token whose PIN is not that of the others",
  }),
  PKCS11_AUTO_PROVISION: boolean({
    default: false,
    description:
      "set up a blank token, if there is exactly one and none with the label ([hsm-setup.md](hsm-setup.md#automatically))",
  }),
  PKCS11_SO_PIN_OUTPUT: laterFile({
    description: "the file that gets the SO PIN of such a token; it is never written over",
  }),
  PKCS11_CACHE: choice(PKCS11_CACHE_MODES, {
    default: "auto",
    description:
      "whether the module shows what other processes write: `live` (it does), `cached` (it does not), or `auto`",
  }),
  PKCS11_MAX_OBJECTS: integer(1, 1_000_000, {
    description:
      "how many data objects the token takes, 1 to 1000000; fewer where the module shows fewer or the token refuses more ([storage.md](storage.md#room))",
  }),
  PKCS11_MAX_OBJECT_BYTES: integer(512, 1_048_576, {
    description:
      "the largest value of one object, 512 to 1048576; a larger secret is split over several; unset: where the module caches the largest of 4096, 4032 and 2048 that the token takes, else no limit",
  }),
  RESERVED_OBJECTS: integer(0, 1_000_000, {
    description:
      "how many of the data objects that the token takes are kept for the administrator: writes of `writeBack` leave them free; unset: a tenth of them, where it is known how many it takes",
  }),
  STORAGE_LAYOUT: choice(STORAGE_LAYOUTS, {
    default: "packed",
    description:
      "what writes make: `packed` (one object for each secret) or `per-key` (one for each key and one for the metadata)",
  }),
  OPERATION_TIMEOUT_MS: integer(100, 600_000, {
    default: 10_000,
    description: "deadline of one operation on the token, 100 to 600000",
  }),
  REFRESH_INTERVAL_MS: integer(100, 86_400_000, {
    default: 30_000,
    description: "how old the agent's view of the token may become, 100 to 86400000",
  }),
  SYSFS_ROOT: pattern({ pattern: "^/" }, "an absolute path", {
    default: "/sys",
    description: "where sysfs is mounted",
  }),
};
type AgentReader = VariableReader<ValuesOf<typeof AGENT_VARIABLES>>;

/** The agent's configuration, frozen, or every fault of it. */
export const parseAgentConfig = (env: Environment): ConfigResult<AgentConfig> => {
  const reader = readVariables(env, AGENT_VARIABLES);
  const listener = readListener(reader);
  const readTokenFile = readTokenPath(reader, "READ_TOKEN_FILE");
  // A listener on loopback without any token file is open, so that a lone token file has to be there.
  const readWriteToken = reader.isSet("READ_TOKEN_FILE") ? readOptionalTokenPath : readTokenPath;
  const writeTokenFile = readWriteToken(reader, "WRITE_TOKEN_FILE");
  const set = readSet(reader);
  checkExposure(reader, listener, ["READ_TOKEN_FILE"], reader.isSet("READ_TOKEN_FILE"));
  const needed = complete({
    deviceName: reader.value("DEVICE_NAME"),
    nodeName: reader.value("NODE_NAME"),
    pkcs11: readPkcs11(reader),
    writes: readWrites(reader),
    operationTimeoutMs: reader.value("OPERATION_TIMEOUT_MS"),
    refreshIntervalMs: reader.value("REFRESH_INTERVAL_MS"),
    sysfsRoot: reader.value("SYSFS_ROOT"),
  });
  if (needed === undefined || reader.faults.length > 0) return { ok: false, faults: reader.faults };
  const config: AgentConfig = {
    ...listener,
    ...present({ readTokenFile, writeTokenFile, ...set }),
    ...needed,
  };
  return { ok: true, config: deepFreeze(config) };
};

/** What an agent needs to be told its role and to ask the others. */
const readSet = (reader: AgentReader) => {
  const roleTokenFile = readTokenPath(reader, "ROLE_TOKEN_FILE");
  const peerCaFile = reader.value("PEER_CA_FILE");
  checkCa(reader, "PEER_CA_FILE", peerCaFile);
  if (reader.isSet("PEER_CA_FILE") && !reader.isSet("ROLE_TOKEN_FILE")) {
    reader.fault("PEER_CA_FILE", "is of use only beside ROLE_TOKEN_FILE");
  }
  if (roleTokenFile !== undefined && !reader.isSet("READ_TOKEN_FILE")) {
    reader.fault("ROLE_TOKEN_FILE", "needs READ_TOKEN_FILE: the agents of a set are read with its tokens");
  }
  return { roleTokenFile, peerCaFile };
};

const readWrites = (reader: AgentReader): WriteConfig | undefined => {
  const layout = reader.value("STORAGE_LAYOUT");
  const maxObjects = reader.value("PKCS11_MAX_OBJECTS");
  const maxObjectBytes = reader.value("PKCS11_MAX_OBJECT_BYTES");
  const reservedObjects = reader.value("RESERVED_OBJECTS");
  if (layout === undefined) return undefined;
  return { layout, ...present({ maxObjects, maxObjectBytes, reservedObjects }) };
};

const readPkcs11 = (reader: AgentReader): Pkcs11Config | undefined => {
  const module = reader.value("PKCS11_MODULE");
  const tokenLabel = reader.value("PKCS11_TOKEN_LABEL");
  const slot = reader.value("PKCS11_SLOT");
  const pinFile = reader.value("PKCS11_PIN_FILE");
  const cache = reader.value("PKCS11_CACHE");
  const publicObjects = reader.value("PKCS11_PUBLIC_OBJECTS");
  const hasLabel = reader.isSet("PKCS11_TOKEN_LABEL");
  const hasSlot = reader.isSet("PKCS11_SLOT");
  if (hasLabel && hasSlot) reader.fault("PKCS11_SLOT", "must not be set beside PKCS11_TOKEN_LABEL");
  if (!hasLabel && !hasSlot) reader.fault("PKCS11_TOKEN_LABEL", "is required, unless PKCS11_SLOT is set");
  const ownPinFile = reader.value("PKCS11_OWN_PIN_FILE");
  const provision = readProvision(reader);
  const needed = complete({ module, pinFile, cache });
  return (
    needed && {
      ...needed,
      ...present({ tokenLabel, slot, ownPinFile, provision }),
      ...(publicObjects === "per-key" && { readsPublic: true }),
    }
  );
};

const readProvision = (reader: AgentReader): Pkcs11Config["provision"] => {
  const soPinFile = reader.value("PKCS11_SO_PIN_OUTPUT");
  if (reader.value("PKCS11_AUTO_PROVISION") !== true) return undefined;
  if (!reader.isSet("PKCS11_TOKEN_LABEL")) {
    reader.fault("PKCS11_AUTO_PROVISION", "needs PKCS11_TOKEN_LABEL: a token that is set up gets that label");
  }
  if (Buffer.byteLength(reader.value("PKCS11_TOKEN_LABEL") ?? "") > 32) {
    reader.fault("PKCS11_TOKEN_LABEL", "must be 32 bytes at most, as PKCS11_AUTO_PROVISION is set");
  }
  if (!reader.isSet("PKCS11_SO_PIN_OUTPUT")) {
    reader.fault("PKCS11_SO_PIN_OUTPUT", "is required, as PKCS11_AUTO_PROVISION is set");
  }
  return soPinFile === undefined ? undefined : { soPinFile };
};
