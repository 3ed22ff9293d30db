// SPDX-License-Identifier: Apache-2.0
// Defines the schemas by which the agents of one set mirror each other: what a token holds, one secret with its stamp, and diverged
// copies.
import { type Static, Type } from "@sinclair/typebox";
import { RoleBody } from "./role-schema.ts";
import { Base64, Checksum, Layout, StoredMetadata } from "./schema.ts";

const Count = Type.Integer({ minimum: 0 });

/** When something was written; see server/agent/storage/stamp.ts. */
const StampBody = Type.Object({
  epoch: Count,
  version: Count,
  history: Type.Array(Type.Tuple([Count, Count])),
});

/**
 * `GET /v1/mirror/holding`: what the token holds of its set, without values. With an ETag, so that a mirror that has it all transfers
 * nothing. `position`: no change up to it is missing.
 */
export const HoldingBody = Type.Object({
  set: Type.Union([Type.String(), Type.Null()]),
  epoch: Count,
  instance: Type.String(),
  position: Count,
  secrets: Type.Array(
    Type.Object({
      path: Type.String(),
      checksum: Checksum,
      keys: Type.Array(Type.String()),
      bytes: Count,
      stamp: StampBody,
    }),
  ),
  tombstones: Type.Array(Type.Object({ path: Type.String(), ...StampBody.properties })),
});
export type HoldingBody = Static<typeof HoldingBody>;

/**
 * What a mirror says of itself: the query of its GET of the holding, and part of its answer to a pull. `instance` and `position`: what it
 * holds all of in `epoch`, absent before a pull that was whole. Then how full its token is, as GET /v1/info has it.
 */
export const MemberReport = Type.Object(
  {
    member: Type.String({ minLength: 1, maxLength: 253 }),
    epoch: Type.Optional(Count),
    instance: Type.Optional(Type.String({ maxLength: 64 })),
    position: Type.Optional(Count),
    objects: Type.Optional(Count),
    objectLimit: Type.Optional(Count),
    maxObjectBytes: Type.Optional(Type.Integer({ minimum: 1 })),
    freeBytes: Type.Optional(Count),
  },
  { additionalProperties: false },
);
export type MemberReport = Static<typeof MemberReport>;

/** `GET /v1/mirror/secrets/{path}`: a secret with all that a mirror writes of it. */
export const MirroredSecretBody = Type.Object({
  path: Type.String(),
  data: Type.Record(Type.String(), Type.String()),
  checksum: Checksum,
  stamp: StampBody,
  layout: Layout,
  /** With the agent's own labels. */
  metadata: StoredMetadata,
});
export type MirroredSecretBody = Static<typeof MirroredSecretBody>;

/** `POST /v1/mirror/pull`: asks a mirror to pull at once; answered when that has ended, with what it then holds all of. */
export const PullBody = Type.Object(
  {
    set: Type.String(),
    epoch: Count,
    /** The primary that asks; nothing is pulled for another one. */
    primary: Type.String(),
  },
  { additionalProperties: false },
);
export type PullBody = Static<typeof PullBody>;

/** The answer to a pull: what the mirror says of itself from now on. `code`: why nothing was pulled; absent where something could be. */
export const PullAnswer = Type.Object({
  mirror: RoleBody.properties.mirror,
  report: MemberReport,
  code: Type.Optional(Type.String()),
});
export type PullAnswer = Static<typeof PullAnswer>;

/** `PUT /v1/mirror/secrets/{path}` of the primary: what a mirror has beside it takes the place of what is there. */
export const ResolutionBody = Type.Object(
  {
    /** Null: the secret is deleted. */
    data: Type.Union([Type.Record(Type.String(), Base64), Type.Null()]),
    metadata: Type.Optional(StoredMetadata),
    /** The stamp that it has on the mirror. */
    stamp: StampBody,
    /** The checksum of what it replaces on the primary; null: nothing. */
    replaces: Type.Union([Checksum, Type.Null()]),
  },
  { additionalProperties: false },
);
export type ResolutionBody = Static<typeof ResolutionBody>;

/** `POST /v1/mirror/adopt`: makes the token a member of `set`, with the secrets that it has. */
export const AdoptBody = Type.Object(
  { set: Type.String({ minLength: 1, maxLength: 253 }) },
  { additionalProperties: false },
);
export const AdoptedBody = Type.Object({ device: Type.String(), set: Type.String(), epoch: Count });

/** `POST /v1/mirror/resolve`: which copy of a diverged secret stays, the one of the agent that is asked or the primary's. */
export const ResolveBody = Type.Object(
  { path: Type.String(), keep: Type.Union([Type.Literal("here"), Type.Literal("there")]) },
  { additionalProperties: false },
);
export type ResolveBody = Static<typeof ResolveBody>;
export const ResolvedBody = Type.Object({
  device: Type.String(),
  path: Type.String(),
  kept: Type.Union([Type.Literal("here"), Type.Literal("there")]),
  /** How many are diverged still. */
  diverged: Count,
});

/** `GET /v1/mirror/diverged`: keys and sizes of both sides; null where a side has none. */
const DivergedSide = Type.Union([
  Type.Object({
    checksum: Checksum,
    keys: Type.Array(Type.String()),
    bytes: Count,
    epoch: Count,
    version: Count,
  }),
  Type.Null(),
]);
export const DivergedBody = Type.Object({
  device: Type.String(),
  primary: Type.Union([Type.String(), Type.Null()]),
  diverged: Type.Array(Type.Object({ path: Type.String(), here: DivergedSide, there: DivergedSide })),
});
export type DivergedBody = Static<typeof DivergedBody>;
