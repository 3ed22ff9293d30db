// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of the messages between the agent and its PKCS#11 child process. They are sent with structured clone, so
// bytes stay bytes.
import { type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../../../hooks/enumeration.ts";
import { codesOf } from "../../../hooks/error-codes.ts";
import { Layout, MetadataPatch, SecretMetadata, StoredMetadata } from "../../agent-api/schema.ts";
import { schemaCheck } from "../../schema-check.ts";
import { Answer, Before, BegunWrite, Entry, TokenView } from "./answers.ts";

const Id = Type.Integer({ minimum: 1 });

/** The PIN that the token was given in place of the one in a PIN file, as long as that is the file that it was (`file`). */
export const ReplacedPin = Type.Object({ file: Type.String(), pin: Type.String() });
export type ReplacedPin = Static<typeof ReplacedPin>;

/** How the child learns what to load; nothing of it is in its arguments or its environment. */
export const Configure = Type.Object({
  type: Type.Literal("configure"),
  module: Type.String({ minLength: 1 }),
  tokenLabel: Type.Optional(Type.String()),
  slot: Type.Optional(Type.String({ pattern: "^[0-9]{1,20}$" })),
  pinFile: Type.String({ minLength: 1 }),
  /** Counts in place of `pinFile` where it exists. */
  ownPinFile: Type.Optional(Type.String({ minLength: 1 })),
  replacedPin: Type.Optional(ReplacedPin),
  cache: Type.Union([Type.Literal("auto"), Type.Literal("live"), Type.Literal("cached")]),
  /** Whether public objects of the per-key layout are believed where there is no private one. */
  readsPublic: Type.Optional(Type.Boolean()),
  /** Whether a blank token is to be set up, with the label that the configuration has; the file that gets its SO PIN. */
  provision: Type.Optional(Type.Object({ soPinFile: Type.String({ minLength: 1 }) })),
  /** Whether the session may write. */
  writable: Type.Boolean(),
  /** Key of the HMAC by which PINs are compared. Random for each agent process. */
  pinKey: Type.Uint8Array(),
});
export type Configure = Static<typeof Configure>;

const Tags = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Literal("*")]));

/** Stamp of storage/stamp.ts. */
const Stamp = Type.Object({
  epoch: Type.Integer({ minimum: 0 }),
  version: Type.Integer({ minimum: 0 }),
  history: Type.Array(Type.Tuple([Type.Integer(), Type.Integer()])),
});

/** Change, Precondition and Origin of store.ts. */
const ChangeOperation = Type.Object({
  type: Type.Literal("change"),
  path: Type.String(),
  change: Type.Union([
    Type.Object({
      type: Type.Literal("put"),
      data: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
      metadata: Type.Optional(SecretMetadata),
      layout: Type.Optional(Layout),
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
    Type.Object({
      type: Type.Literal("copy"),
      data: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
      metadata: StoredMetadata,
      version: Type.Integer({ minimum: 0 }),
    }),
  ]),
  precondition: Type.Object({ ifMatch: Tags, ifNoneMatch: Tags }),
  origin: Type.Optional(
    Type.Object({ epoch: Type.Integer({ minimum: 0 }), replaces: Type.Optional(Type.Array(Stamp)) }),
  ),
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

export const Operation = Type.Union([
  Type.Object({ type: Type.Literal("read"), path: Type.String() }),
  Type.Object({ type: Type.Literal("list"), prefix: Type.String() }),
  Type.Object({ type: Type.Literal("refresh") }),
  /** Is the token still there, and the session on it? Changes nothing, and does not touch the card. */
  Type.Object({ type: Type.Literal("probe") }),
  ChangeOperation,
  /** Changes of different paths, for a module that shows what is there: in order, each whole or not at all. */
  Type.Object({ type: Type.Literal("batch"), changes: Type.Array(ChangeOperation) }),
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
  ["change", "batch", "tidy", "undo", "recover", "repair", "setPin"].includes(type);

/** Why a PIN is not tried: see pin-guard.ts. */
export const PinRefusal = Type.Union([
  Type.Literal("incorrect"),
  Type.Literal("locked"),
  Type.Literal("last-try"),
  Type.Literal("spent"),
  Type.Literal("unasked"),
  Type.Literal("busy"),
  Type.Literal("too-many"),
]);
export type PinRefusal = Static<typeof PinRefusal>;

/** What the token's flags say of its user PIN. `countLow`: a wrong one came last. */
export const LoginFlags = Type.Object({
  locked: Type.Boolean(),
  finalTry: Type.Boolean(),
  countLow: Type.Boolean(),
});
export type LoginFlags = Static<typeof LoginFlags>;

/** How a try of a PIN ended. */
export const LoginOutcome = Type.Union([
  Type.Literal("accepted"),
  Type.Literal("incorrect"),
  Type.Literal("locked"),
  /** It says nothing of the PIN, which the token may have found wrong. */
  Type.Literal("unclear"),
  Type.Literal("not-compared"),
]);
export type LoginOutcome = Static<typeof LoginOutcome>;

export const ParentMessage = Type.Union([
  Configure,
  /** The answer to `loginIntent`: without a refusal, the token may be asked to compare the PIN. */
  Type.Object({ type: Type.Literal("login"), refusal: Type.Optional(PinRefusal) }),
  Type.Object({ type: Type.Literal("call"), id: Id, operation: Operation }),
]);
export type ParentMessage = Static<typeof ParentMessage>;

export const Stage = Type.Union([
  Type.Literal("boot"),
  Type.Literal("attach"),
  Type.Literal("provision"),
  Type.Literal("login"),
  Type.Literal("load"),
]);
export type Stage = Static<typeof Stage>;

/** Why a child could not start. The child exits after it. */
export const StartFailure = Type.Object({
  type: Type.Literal("failed"),
  code: enumeration(codesOf("token-unreadable")),
  message: Type.String(),
  /** True where there is positively no such token, so that no older view of it may be served any more. */
  gone: Type.Boolean(),
});
export type StartFailure = Static<typeof StartFailure>;

export const ChildMessage = Type.Union([
  /** Sent whenever a step is behind it, so that slow can be told from stuck. */
  Type.Object({ type: Type.Literal("progress"), stage: Stage }),
  /** A token is being set up, which must not be cut where it can be helped; and, after it, that it is. */
  Type.Object({ type: Type.Literal("provisioning") }),
  Type.Object({ type: Type.Literal("provisioned") }),
  /** Asks before C_Login or C_SetPIN: HMACs of the token and of the PIN, and what the token's flags say. */
  Type.Object({
    type: Type.Literal("loginIntent"),
    token: Type.String(),
    pin: Type.String(),
    flags: LoginFlags,
  }),
  /** Tells, before anything else, how that ended. `replacedBy`: HMAC of the PIN that the token has from now on. */
  Type.Object({
    type: Type.Literal("loginOutcome"),
    outcome: LoginOutcome,
    replacedBy: Type.Optional(Type.String()),
  }),
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

/** Both schemas compiled, each in the process that receives such messages: a list of thousands of secrets is checked in one piece. */
export const parentMessage = schemaCheck(() => ParentMessage);
export const childMessage = schemaCheck(() => ChildMessage);
