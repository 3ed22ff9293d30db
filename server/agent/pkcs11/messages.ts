// SPDX-License-Identifier: Apache-2.0
// What the agent and its PKCS#11 child process say to each other, as schemas. Sent with structured clone, so bytes stay bytes.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { DeviceInfo, SecretSummary } from "../../agent-api.ts";

const Id = Type.Integer({ minimum: 1 });

/** How the child learns what to load; nothing of it is in its arguments or its environment. */
export const Configure = Type.Object({
  type: Type.Literal("configure"),
  module: Type.String({ minLength: 1 }),
  tokenLabel: Type.Optional(Type.String()),
  slot: Type.Optional(Type.Integer({ minimum: 0 })),
  pinFile: Type.String({ minLength: 1 }),
  cache: Type.Union([Type.Literal("auto"), Type.Literal("live"), Type.Literal("cached")]),
  /** Key of the HMAC by which PINs are compared. Random for each agent process. */
  pinKey: Type.Uint8Array(),
});
export type Configure = Static<typeof Configure>;

export const Operation = Type.Union([
  Type.Object({ type: Type.Literal("read"), path: Type.String() }),
  Type.Object({ type: Type.Literal("list"), prefix: Type.String() }),
  Type.Object({ type: Type.Literal("refresh") }),
]);
export type Operation = Static<typeof Operation>;

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
  ...Type.Pick(DeviceInfo, ["cache", "token", "freeBytes", "totalBytes", "objects"]).properties,
});
export type TokenView = Static<typeof TokenView>;

/** `ckr` is a return value of the module, by name; `UNEXPECTED` is a fault of the child itself. */
const Fault = Type.Object({ kind: Type.Literal("fault"), ckr: Type.String(), call: Type.String() });

export const Answer = Type.Union([
  Type.Object({
    kind: Type.Literal("found"),
    keys: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
    checksum: Type.String(),
    version: Type.Integer({ minimum: 0 }),
  }),
  Type.Object({ kind: Type.Literal("absent") }),
  /** The index no longer fits the token; a refresh is needed before anything can be said. */
  Type.Object({ kind: Type.Literal("stale") }),
  Type.Object({ kind: Type.Literal("invalid"), message: Type.String() }),
  Type.Object({ kind: Type.Literal("listed"), secrets: Type.Array(SecretSummary) }),
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
  Type.Object({ type: Type.Literal("ready"), view: TokenView }),
  StartFailure,
  Type.Object({ type: Type.Literal("answer"), id: Id, answer: Answer }),
]);
export type ChildMessage = Static<typeof ChildMessage>;

/** Both schemas compiled: a list of thousands of secrets is checked in one piece. */
export const parentMessage = TypeCompiler.Compile(ParentMessage);
export const childMessage = TypeCompiler.Compile(ChildMessage);
