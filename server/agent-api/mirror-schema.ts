// SPDX-License-Identifier: Apache-2.0
// Defines the schemas by which the agents of one set mirror each other: what a token holds, one secret with its stamp, and diverged
// copies.
import { type Static, Type } from "@sinclair/typebox";
import { Checksum, Layout, StoredMetadata } from "./schema.ts";

const Count = Type.Integer({ minimum: 0 });

/** When something was written; see server/agent/storage/stamp.ts. */
export const StampBody = Type.Object({
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
