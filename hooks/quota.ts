// SPDX-License-Identifier: Apache-2.0
// Defines a namespace's quota on a token: the limits in the path policy, and the quota that a write request carries.
import { type Static, Type } from "@sinclair/typebox";

const Limit = Type.Optional(Type.Integer({ minimum: 0 }));

/** What all secrets of a namespace may have on the token together: data objects, about, and bytes of values. */
export const QuotaLimits = Type.Object(
  { objects: Limit, bytes: Limit },
  { additionalProperties: false, minProperties: 1 },
);

/**
 * A write for somebody who is not the administrator: it must leave alone the share that is kept for that one, and what is below
 * `prefix` must not exceed the limits.
 */
export const Quota = Type.Object(
  {
    prefix: Type.String({ pattern: "^([A-Za-z0-9._-]+/)+$", maxLength: 255 }),
    objects: Limit,
    bytes: Limit,
  },
  { additionalProperties: false },
);
export type Quota = Static<typeof Quota>;
