// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of an agent's role in a set of HSMs: what it is ordered to be (PUT /v1/role) and what it says of itself.
import { type Static, Type } from "@sinclair/typebox";

const Count = Type.Integer({ minimum: 0 });
const Id = Type.String({ minLength: 1, maxLength: 253 });

/** A member of the set. `address`: host and port of its agent, absent while it has none. */
const SetMember = Type.Object({ id: Id, address: Type.Optional(Type.String({ maxLength: 255 })) });

/**
 * `PUT /v1/role`. The lease runs for `ttlSeconds` from the moment at which the agent gave out `clockMs`, so that an order that was held
 * up on its way is worth no more than one that was not.
 */
export const RoleOrder = Type.Object(
  {
    set: Id,
    epoch: Type.Integer({ minimum: 1 }),
    role: Type.Union([Type.Literal("primary"), Type.Literal("mirror")]),
    /** The member that is primary in this epoch. */
    primary: Id,
    /** The member that this agent is. */
    member: Id,
    ttlSeconds: Type.Integer({ minimum: 1, maximum: 300 }),
    /** As the agent answered them last: an order to a process that has ended, or older than another one, is refused. */
    instance: Type.String({ minLength: 1, maxLength: 64 }),
    clockMs: Count,
    /** True: a token that belongs to no set becomes the first of this one, with what it holds. */
    found: Type.Optional(Type.Boolean()),
    /** True: the primary takes no more writes, because another one is about to be. */
    draining: Type.Optional(Type.Boolean()),
    /** Whether a mirror hands writes on to the primary, or refuses them. */
    policy: Type.Union([Type.Literal("ReadOnly"), Type.Literal("Active")]),
    /** Members that must hold a write before it is answered; absent: it is answered at once. Empty: no write is taken. */
    acks: Type.Optional(Type.Array(Id, { maxItems: 64 })),
    members: Type.Array(SetMember, { maxItems: 64 }),
    /** The name in the certificates of the agents; absent: the host of the address. */
    serverName: Type.Optional(Type.String({ maxLength: 253 })),
    /** How often a mirror asks for what is new, when nobody tells it. */
    syncIntervalSeconds: Type.Integer({ minimum: 5 }),
  },
  { additionalProperties: false },
);
export type RoleOrder = Static<typeof RoleOrder>;

/** How far a member is in what one process of an agent has written. */
export const SetPosition = Type.Object({ member: Id, instance: Type.String(), position: Count });
export type SetPosition = Static<typeof SetPosition>;

/** `GET /v1/role` and the answer to PUT: never a value. */
export const RoleBody = Type.Object({
  device: Type.String(),
  node: Type.String(),
  /** Made up anew by each process. */
  instance: Type.String(),
  /** The agent's monotonic clock. */
  clockMs: Count,
  /** Whether the token can be read; else why it can't. */
  token: Type.Object({ ready: Type.Boolean(), code: Type.Optional(Type.String()) }),
  /** What the token says of its set; null where it belongs to none, absent while it can't be read. */
  set: Type.Optional(Type.Union([Type.Object({ set: Type.String(), epoch: Count }), Type.Null()])),
  /** How many secrets it holds, and the sum of their versions and those of its tombstones; absent while it can't be read. */
  secrets: Type.Optional(Count),
  versions: Type.Optional(Count),
  /** Null: no lease, or one that has run out. */
  lease: Type.Union([
    Type.Object({
      role: Type.Union([Type.Literal("primary"), Type.Literal("mirror")]),
      epoch: Count,
      primary: Id,
      remainingMs: Count,
      draining: Type.Boolean(),
      acks: Type.Optional(Type.Array(Id)),
    }),
    Type.Null(),
  ]),
  /** Of the primary: how many changes this process has made. */
  position: Count,
  /** Writes that have begun and not ended. */
  writing: Count,
  /** Of a mirror: how its last pull ended; null before the first one. */
  mirror: Type.Union([
    Type.Object({
      /** What it holds all of; absent before a pull that was whole. */
      holds: Type.Optional(SetPosition),
      epoch: Count,
      /** Since the last pull that was whole. */
      ageSeconds: Type.Optional(Count),
      /** What could not be taken over, and why; absent where all could. */
      failed: Type.Optional(Type.Object({ paths: Count, code: Type.String() })),
      /** Secrets that this token holds, or has deleted, in a way that the primary does not know of. */
      diverged: Count,
    }),
    Type.Null(),
  ]),
});
export type RoleBody = Static<typeof RoleBody>;
