// SPDX-License-Identifier: Apache-2.0
// Orders the members of a set of HSMs by what each told of its role: the primary first, then mirrors, then those without a role.
import type { Standing } from "../../hooks/hsmsecret/index.ts";
import type { RoleBody } from "../agent-api/role-schema.ts";

/** What an agent told of its role. `no-roles`: it knows of none, as an agent of no set; `unknown`: it did not say. */
export type Told =
  | { readonly kind: "role"; readonly body: RoleBody; readonly leaseEnds: number }
  | { readonly kind: "no-roles" }
  | { readonly kind: "unknown" };

/** One address of the set. `silent`: it did not answer when it was asked last. */
export type SeenMember = { readonly address: string; readonly told: Told; readonly silent: boolean };

/** Whom to ask. Without a standing it is asked for itself, as an agent of no set. */
export type RankedMember = { readonly address: string; readonly standing?: Standing };

type Role = Extract<Told, { kind: "role" }>;
type WithRole = SeenMember & { readonly told: Role };

const hasRole = (member: SeenMember): member is WithRole => member.told.kind === "role";

const leaseOf = ({ body, leaseEnds }: Role, now: number) => (leaseEnds > now ? body.lease : null);

/** The highest epoch that a member tells of, be it by its lease or by its token. */
const epochOf = ({ body: { lease, set, mirror } }: Role): number =>
  Math.max(lease?.epoch ?? 0, set?.epoch ?? 0, mirror?.epoch ?? 0);

/** Whether two tokens may belong to one set: one that can't be read does not say. */
const mayBeOfOneSet = (one: Role, other: Role): boolean => {
  const [a, b] = [one.body.set, other.body.set];
  return a === undefined || b === undefined || a?.set === b?.set;
};

/** Those that claim to be the primary of the highest epoch that any of their set tells of: more than one are believed by nobody. */
const claimants = (members: readonly WithRole[], now: number): WithRole[] =>
  members.filter(({ told }) => {
    const lease = leaseOf(told, now);
    if (lease?.role !== "primary") return false;
    return members.every((other) => !mayBeOfOneSet(told, other.told) || epochOf(other.told) <= lease.epoch);
  });

/** Whether a mirror holds all that the primary of an epoch had at its last pull. */
const isComplete = ({ body: { mirror } }: Role): boolean =>
  mirror?.holds !== undefined && mirror.failed === undefined;

const standingOf = (member: WithRole, claims: readonly WithRole[], epoch: number, now: number): Standing => {
  const { told } = member;
  const { mirror, device } = told.body;
  const known = { epoch, member: device };
  if (claims.includes(member)) return { role: claims.length === 1 ? "primary" : "disputed", ...known };
  if (leaseOf(told, now) === null) return { role: "none", ...known };
  const isCopy = isComplete(told) && mirror?.epoch === epoch && mirror.diverged === 0;
  return { role: "mirror", ...known, ...(isCopy && { isCopy }) };
};

const CLASSES: readonly Standing["role"][] = ["primary", "disputed", "mirror", "none"];

/** What goes before what: the smaller first. */
const rankOf = ({ told, silent }: SeenMember, { role }: Standing): readonly number[] => {
  const roleRank = told.kind === "role" ? CLASSES.indexOf(role) : CLASSES.length;
  const completeness = told.kind === "role" && isComplete(told) ? 0 : 1;
  const age = told.kind === "role" ? -(told.body.mirror?.epoch ?? 0) : 0;
  return [silent ? 1 : 0, roleRank, completeness, age];
};

const compare = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
};

const nameOf = ({ address, standing }: RankedMember): string => standing?.member ?? address;

/**
 * The members in the order in which they are asked; the same for the same roles. One that is silent comes last, whatever it was. `now`
 * is by the clock of `leaseEnds`.
 */
export const orderedMembers = (members: readonly SeenMember[], now: number): RankedMember[] => {
  const [only] = members;
  if (only !== undefined && members.length === 1 && only.told.kind === "no-roles") {
    return [{ address: only.address }];
  }
  const roles = members.filter(hasRole);
  const claims = claimants(roles, now);
  const own =
    claims.length === 0
      ? roles
      : roles.filter(({ told }) => claims.some((one) => mayBeOfOneSet(one.told, told)));
  const epoch = Math.max(0, ...own.map(({ told }) => epochOf(told)));
  return members
    .map((member) => {
      const standing: Standing = hasRole(member)
        ? standingOf(member, claims, epoch, now)
        : { role: "none", epoch };
      return { address: member.address, standing, rank: rankOf(member, standing) };
    })
    .sort((a, b) => compare(a.rank, b.rank) || (nameOf(a) < nameOf(b) ? -1 : 1))
    .map(({ address, standing }) => ({ address, standing }));
};
