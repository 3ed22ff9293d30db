// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of the PKCS#11 child process's response to each operation; messages.ts has the operations.
import { type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../../../hooks/enumeration.ts";
import { codesOf } from "../../../hooks/error-codes.ts";
import {
  DeviceInfo,
  Layout,
  ObjectProblem,
  RepairResult,
  SecretSummary,
  StoredMetadata,
} from "../../agent-api/schema.ts";

/** A checksum, or null for nothing. */
export const Before = Type.Union([Type.String(), Type.Null()]);

/** Which objects a begun write has made, or was about to make, and is to remove, by their digests in hex. */
export const BegunWrite = Type.Object({
  journal: Type.Boolean(),
  make: Type.Array(Type.String()),
  remove: Type.Array(Type.String()),
});
export type BegunWrite = Static<typeof BegunWrite>;

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
    "invalidLabels",
    "publicObjects",
  ]).properties,
  /** The objects that count for nothing, by label; no more than MAX_PROBLEMS. */
  problems: Type.Array(ObjectProblem),
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
  code: enumeration(codesOf("token-refuses")),
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

const Absent = Type.Object({ kind: Type.Literal("absent") });
/** `code`: what it is where it is not STORAGE_INVALID. */
const Invalid = Type.Object({
  kind: Type.Literal("invalid"),
  message: Type.String(),
  code: Type.Optional(enumeration(codesOf("path-unreadable"))),
});

const Found = Type.Object({
  kind: Type.Literal("found"),
  keys: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
  checksum: Type.String(),
  version: Type.Integer({ minimum: 0 }),
  layout: Layout,
  metadata: StoredMetadata,
});

const Stale = Type.Object({ kind: Type.Literal("stale") });

/** What one change of a batch came to; none of them waits for another process to look. */
const BatchAnswer = Type.Union([Absent, Invalid, Stale, ChangeAnswer]);
export type BatchAnswer = Static<typeof BatchAnswer>;

/** ListedSecret of store.ts. */
const ListedSecret = Type.Object({
  ...SecretSummary.properties,
  history: Type.Optional(Type.Array(Type.Tuple([Type.Integer(), Type.Integer()]))),
});

/** What a path holds, for the cache of the agent. `listed`: a list shows it. */
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
  Stale,
  Invalid,
  ChangeAnswer,
  /** Of each change in order. */
  Type.Object({ kind: Type.Literal("batch"), answers: Type.Array(BatchAnswer) }),
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
    outcome: Type.Union([
      Type.Literal("changed"),
      Type.Literal("mismatch"),
      Type.Literal("refused"),
      /** Or one try is left: the PIN was not compared. */
      Type.Literal("locked"),
    ]),
    message: Type.String(),
    /** The PIN file that has the former PIN: see ReplacedPin. */
    file: Type.Optional(Type.String()),
  }),
  /** `invalid`: paths whose objects can't be understood. */
  Type.Object({
    kind: Type.Literal("listed"),
    secrets: Type.Array(ListedSecret),
    invalid: Type.Array(Type.String()),
  }),
  Type.Object({ kind: Type.Literal("refreshed"), view: TokenView }),
  Fault,
]);
export type Answer = Static<typeof Answer>;
