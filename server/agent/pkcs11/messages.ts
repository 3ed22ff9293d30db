// SPDX-License-Identifier: Apache-2.0
// What the agent and its PKCS#11 child process say to each other, as schemas. Sent with structured clone, so bytes stay bytes.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import {
  DeviceInfo,
  Layout,
  MetadataPatch,
  RepairResult,
  SecretMetadata,
  SecretSummary,
  StoredMetadata,
} from "../../agent-api.ts";

const Id = Type.Integer({ minimum: 1 });

/** How the child learns what to load; nothing of it is in its arguments or its environment. */
export const Configure = Type.Object({
  type: Type.Literal("configure"),
  module: Type.String({ minLength: 1 }),
  tokenLabel: Type.Optional(Type.String()),
  slot: Type.Optional(Type.Integer({ minimum: 0 })),
  pinFile: Type.String({ minLength: 1 }),
  cache: Type.Union([Type.Literal("auto"), Type.Literal("live"), Type.Literal("cached")]),
  /** Whether the session may write. */
  writable: Type.Boolean(),
  /** Key of the HMAC by which PINs are compared. Random for each agent process. */
  pinKey: Type.Uint8Array(),
});
export type Configure = Static<typeof Configure>;

const Tags = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Literal("*")]));

/** Change and Precondition of store.ts. */
const ChangeOperation = Type.Object({
  type: Type.Literal("change"),
  path: Type.String(),
  change: Type.Union([
    Type.Object({
      type: Type.Literal("put"),
      data: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
      metadata: Type.Optional(SecretMetadata),
    }),
    Type.Object({
      type: Type.Literal("patch"),
      data: Type.Array(Type.Tuple([Type.String(), Type.Union([Type.Uint8Array(), Type.Null()])])),
      metadata: Type.Optional(MetadataPatch),
    }),
    Type.Object({ type: Type.Literal("delete") }),
    Type.Object({ type: Type.Literal("delete-key"), key: Type.String() }),
    Type.Object({ type: Type.Literal("repack"), layout: Layout }),
    Type.Object({ type: Type.Literal("rewrite") }),
  ]),
  precondition: Type.Object({ ifMatch: Tags, ifNoneMatch: Tags }),
  /** Of what is new. */
  layout: Layout,
  /** RFC 3339. */
  now: Type.String(),
  /** No version up to this one is given: a write that failed may have left it on a token that hides objects. */
  versionFloor: Type.Integer({ minimum: 0 }),
  limits: Type.Object({
    maxObjectBytes: Type.Union([Type.Integer(), Type.Null()]),
    objects: Type.Union([
      Type.Object({
        limit: Type.Integer(),
        fromBytes: Type.Integer(),
        source: Type.Union([Type.Literal("configured"), Type.Literal("learned"), Type.Literal("module")]),
      }),
      Type.Null(),
    ]),
  }),
});
export type ChangeOperation = Static<typeof ChangeOperation>;

/** A checksum, or null for nothing. */
const Before = Type.Union([Type.String(), Type.Null()]);

/** Which objects a begun write has made, or was about to make, and is to remove, by their digests in hex. */
export const BegunWrite = Type.Object({
  journal: Type.Boolean(),
  make: Type.Array(Type.String()),
  remove: Type.Array(Type.String()),
});
export type BegunWrite = Static<typeof BegunWrite>;

export const Operation = Type.Union([
  Type.Object({ type: Type.Literal("read"), path: Type.String() }),
  Type.Object({ type: Type.Literal("list"), prefix: Type.String() }),
  Type.Object({ type: Type.Literal("refresh") }),
  /** Is the token still there, and the session on it? Changes nothing, and does not touch the card. */
  Type.Object({ type: Type.Literal("probe") }),
  ChangeOperation,
  /**
   * To a child that has loaded since the write began in another: does the token show it, and is the path then what was
   * wanted (a checksum, null: nothing)? Changes nothing.
   */
  Type.Object({ type: Type.Literal("look"), path: Type.String(), begun: BegunWrite, wanted: Before }),
  /** Removes what a write that is in force has replaced (by digests), or what one that is not has left. */
  Type.Object({ type: Type.Literal("tidy"), path: Type.String(), remove: Type.Array(Type.String()) }),
  /** To the child in which a write began that no other sees: takes back what it made. */
  Type.Object({ type: Type.Literal("undo"), path: Type.String() }),
  /** Completes or undoes what writes that were cut have left on the token. */
  Type.Object({ type: Type.Literal("recover") }),
  /** Removes what nobody can read, and rewrites names that are damaged. `dryRun` only tells. */
  Type.Object({ type: Type.Literal("repair"), dryRun: Type.Boolean() }),
  Type.Object({ type: Type.Literal("setPin"), current: Type.String(), next: Type.String() }),
]);
export type Operation = Static<typeof Operation>;

/** Whether the operation may change the token. */
export const isWrite = ({ type }: Operation): boolean =>
  ["change", "tidy", "undo", "recover", "repair", "setPin"].includes(type);

/** Why a PIN is not tried. */
export const PinRefusal = Type.Union([Type.Literal("PIN_INCORRECT"), Type.Literal("PIN_LOCKED")]);
export type PinRefusal = Static<typeof PinRefusal>;

export const ParentMessage = Type.Union([
  Configure,
  /** The answer to `loginIntent`: without a refusal, C_Login may be called. */
  Type.Object({ type: Type.Literal("login"), refusal: Type.Optional(PinRefusal) }),
  Type.Object({ type: Type.Literal("call"), id: Id, operation: Operation }),
]);
export type ParentMessage = Static<typeof ParentMessage>;

/** What is known of the token after each load. */
export const TokenView = Type.Object({
  ...Type.Pick(DeviceInfo, [
    "cache",
    "token",
    "freeBytes",
    "totalBytes",
    "objects",
    "damagedNames",
    "unreadableObjects",
  ]).properties,
  /** Objects of all kinds that the module shows, and the most that it ever shows; null where it shows all. */
  shown: Type.Union([Type.Object({ objects: Type.Integer(), limit: Type.Integer() }), Type.Null()]),
  /** Paths at which a cut write may have left something. */
  unsettled: Type.Integer({ minimum: 0 }),
});
export type TokenView = Static<typeof TokenView>;

/** `ckr` is a return value of the module, by name; `UNEXPECTED` is a fault of the child itself. */
const Fault = Type.Object({ kind: Type.Literal("fault"), ckr: Type.String(), call: Type.String() });

/** ChangeResult of store.ts, as far as a child can tell it. */
const Written = Type.Object({
  kind: Type.Literal("written"),
  outcome: Type.Union([
    Type.Literal("created"),
    Type.Literal("changed"),
    Type.Literal("unchanged"),
    Type.Literal("repacked"),
  ]),
  before: Before,
  checksum: Type.String(),
  version: Type.Integer({ minimum: 0 }),
  keys: Type.Array(Type.String()),
});
const Deleted = Type.Object({ kind: Type.Literal("deleted"), before: Before });
const Completed = Type.Union([Written, Deleted]);

const Refused = Type.Object({
  kind: Type.Literal("refused"),
  code: Type.Union([
    Type.Literal("TOKEN_FULL"),
    Type.Literal("SECRET_TOO_LARGE"),
    Type.Literal("PATH_AMBIGUOUS"),
    Type.Literal("VALUE_EMPTY"),
    Type.Literal("WRITE_NOT_SHOWN"),
  ]),
  message: Type.String(),
  /** The token had this many objects and did not take, or show, one more of this size. */
  learned: Type.Optional(Type.Object({ objects: Type.Integer(), bytes: Type.Integer() })),
  /** The version that was tried in vain. */
  version: Type.Optional(Type.Integer()),
});

const ChangeAnswer = Type.Union([
  Completed,
  Refused,
  Type.Object({ kind: Type.Literal("key-absent") }),
  Type.Object({ kind: Type.Literal("last-key") }),
  /** The token, or the session on it, takes no writes. */
  Type.Object({ kind: Type.Literal("protected"), ckr: Type.String() }),
  Type.Object({ kind: Type.Literal("precondition"), before: Before }),
  /**
   * The new objects are made, or as many as could be: `failed` says which return value ended it, at an object of how many
   * bytes. Another child has to look before the old ones go or anything is said.
   */
  Type.Object({
    kind: Type.Literal("begun"),
    begun: BegunWrite,
    result: Completed,
    largestBytes: Type.Integer(),
    version: Type.Integer(),
    failed: Type.Optional(
      Type.Object({
        ckr: Type.Integer(),
        call: Type.String(),
        bytes: Type.Integer(),
        objects: Type.Integer(),
      }),
    ),
  }),
]);
export type ChangeAnswer = Static<typeof ChangeAnswer> | Static<typeof Absent> | Static<typeof Invalid>;

const Absent = Type.Object({ kind: Type.Literal("absent") });
const Invalid = Type.Object({ kind: Type.Literal("invalid"), message: Type.String() });

const Found = Type.Object({
  kind: Type.Literal("found"),
  keys: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
  checksum: Type.String(),
  version: Type.Integer({ minimum: 0 }),
  layout: Layout,
  metadata: StoredMetadata,
});

/** What a path holds, for the memory of the agent. `listed`: a list shows it. */
export const Entry = Type.Object({
  path: Type.String(),
  listed: Type.Boolean(),
  content: Type.Union([Found, Absent, Invalid]),
});
export type Entry = Static<typeof Entry>;

export const Answer = Type.Union([
  Found,
  Absent,
  /** The index no longer fits the token; a refresh is needed before anything can be said. */
  Type.Object({ kind: Type.Literal("stale") }),
  Invalid,
  ChangeAnswer,
  /** Whether the token shows all that a write made, and whether the path is what was wanted. */
  Type.Object({
    kind: Type.Literal("looked"),
    shown: Type.Boolean(),
    wanted: Type.Boolean(),
    objects: Type.Integer(),
  }),
  Type.Object({ kind: Type.Literal("tidied") }),
  Type.Object({ kind: Type.Literal("undone") }),
  Type.Object({ kind: Type.Literal("present"), present: Type.Boolean() }),
  Type.Object({ kind: Type.Literal("repaired"), results: Type.Array(RepairResult) }),
  /** `paths` were completed or undone. */
  Type.Object({ kind: Type.Literal("recovered"), paths: Type.Array(Type.String()) }),
  Type.Object({
    kind: Type.Literal("pin"),
    outcome: Type.Union([Type.Literal("changed"), Type.Literal("mismatch"), Type.Literal("refused")]),
    message: Type.String(),
    /** HMACs of the PIN that was in use and of the one that is now. */
    current: Type.String(),
    next: Type.String(),
  }),
  /** `invalid`: paths whose objects can't be understood. */
  Type.Object({
    kind: Type.Literal("listed"),
    secrets: Type.Array(SecretSummary),
    invalid: Type.Array(Type.String()),
  }),
  Type.Object({ kind: Type.Literal("refreshed"), view: TokenView }),
  Fault,
]);
export type Answer = Static<typeof Answer>;

export const Stage = Type.Union([
  Type.Literal("boot"),
  Type.Literal("attach"),
  Type.Literal("login"),
  Type.Literal("load"),
]);
export type Stage = Static<typeof Stage>;

/** Why a child could not start. The child exits after it. */
export const StartFailure = Type.Object({
  type: Type.Literal("failed"),
  code: Type.Union([Type.Literal("TOKEN_UNAVAILABLE"), PinRefusal]),
  message: Type.String(),
  /** True where C_Login has refused this PIN. */
  pinRefused: Type.Boolean(),
  /** True where there is positively no such token, so that no older view of it may be served any more. */
  gone: Type.Boolean(),
});
export type StartFailure = Static<typeof StartFailure>;

export const ChildMessage = Type.Union([
  /** Sent whenever a step is behind it, so that slow can be told from stuck. */
  Type.Object({ type: Type.Literal("progress"), stage: Stage }),
  /** Asks before C_Login: HMAC of the PIN, and whether the token says that a wrong PIN was tried last. */
  Type.Object({ type: Type.Literal("loginIntent"), pin: Type.String(), countLow: Type.Boolean() }),
  /** `entries`: all that a caching module shows. */
  Type.Object({ type: Type.Literal("ready"), view: TokenView, entries: Type.Array(Entry) }),
  StartFailure,
  /** `view`: the token after a write; `entries`: what has changed with a caching module. */
  Type.Object({
    type: Type.Literal("answer"),
    id: Id,
    answer: Answer,
    view: Type.Optional(TokenView),
    entries: Type.Optional(Type.Array(Entry)),
  }),
]);
export type ChildMessage = Static<typeof ChildMessage>;

/** Both schemas compiled: a list of thousands of secrets is checked in one piece. */
export const parentMessage = TypeCompiler.Compile(ParentMessage);
export const childMessage = TypeCompiler.Compile(ChildMessage);
