// SPDX-License-Identifier: Apache-2.0
// Tests in which order the members of a set are asked, by what they tell of their roles.
import t from "tap";
import type { RoleBody } from "../../server/agent-api/role-schema.ts";
import { orderedMembers, type SeenMember } from "../../server/webhook/member-order.ts";
import { mirrorRole, primaryRole, told } from "../doubles/agent-set.ts";

const seen = (body: RoleBody | undefined, how: Partial<SeenMember> = {}): SeenMember => ({
  address: `10.0.0.${body?.device ?? "9"}`,
  told: body === undefined ? { kind: "unknown" } : { kind: "role", body, leaseEnds: 1000 },
  silent: false,
  ...how,
});

/** The members as `name role`, in order; in whatever order they were seen. */
const order = (members: readonly SeenMember[], now = 0): string[] => {
  const texts = [members, [...members].reverse()].map((some) =>
    orderedMembers(some, now).map(
      ({ address, standing }) =>
        `${standing?.member ?? address} ${standing?.role}${standing?.isCopy ? " copy" : ""}`,
    ),
  );
  t.same(texts[0], texts[1], "whatever the order of the addresses");
  return texts[0] ?? [];
};

const incomplete = (device: string): RoleBody =>
  told(device, { ...mirrorRole(device, "A"), mirror: { epoch: 1, diverged: 0 } });
const failed = (device: string): RoleBody => {
  const role = mirrorRole(device, "A");
  return { ...role, mirror: role.mirror && { ...role.mirror, failed: { paths: 1, code: "TOKEN_FULL" } } };
};
/** A mirror that has not pulled since the epoch changed. */
const former = (device: string): RoleBody => {
  const role = mirrorRole(device, "A", { epoch: 2 });
  return { ...role, mirror: role.mirror && { ...role.mirror, epoch: 1 } };
};
const ofOtherSet = (device: string): RoleBody => told(device, { set: { set: "demo/other", epoch: 9 } });

const rows: [sentence: string, members: SeenMember[], expected: string[]][] = [
  [
    "the primary, then a copy, then mirrors that lag, then those without a role",
    [seen(told("D")), seen(incomplete("C")), seen(mirrorRole("B", "A")), seen(primaryRole("A"))],
    ["A primary", "B mirror copy", "C mirror", "D none"],
  ],
  [
    "of two complete mirrors the one that pulled in the later epoch",
    [seen(former("B")), seen(mirrorRole("C", "A", { epoch: 2 })), seen(primaryRole("A", 2))],
    ["A primary", "C mirror copy", "B mirror"],
  ],
  [
    "a mirror that could not take all is no copy",
    [seen(failed("B")), seen(mirrorRole("C", "A"))],
    ["C mirror copy", "B mirror"],
  ],
  ["nor one with a secret of its own", [seen(mirrorRole("B", "A", { diverged: 1 }))], ["B mirror"]],
  [
    "one that is silent comes last",
    [seen(primaryRole("A"), { silent: true }), seen(told("D"))],
    ["D none", "A primary"],
  ],
  [
    "one whose role is not known comes after those without one",
    [seen(undefined), seen(told("D"))],
    ["D none", "10.0.0.9 none"],
  ],
  [
    "a primary of a former epoch is a mirror that lags",
    [seen(primaryRole("A", 1)), seen(primaryRole("B", 2))],
    ["B primary", "A mirror"],
  ],
  [
    "two of one epoch are both in doubt",
    [seen(primaryRole("A")), seen(primaryRole("B"))],
    ["A disputed", "B disputed"],
  ],
  [
    "a member of another set tells nothing of this one",
    [seen(primaryRole("A")), seen(ofOtherSet("Z"))],
    ["A primary", "Z none"],
  ],
  [
    "nor an agent of no set",
    [seen(primaryRole("A")), seen(undefined, { told: { kind: "no-roles" } })],
    ["A primary", "10.0.0.9 none"],
  ],
];
for (const [sentence, members, expected] of rows) {
  t.test(sentence, async (t) => {
    t.same(order(members), expected);
  });
}

t.test("a primary whose token can't be read is one as long as nobody knows a later epoch", async (t) => {
  const { set: _, ...unread } = primaryRole("A", 2);
  t.same(order([seen(unread), seen(mirrorRole("B", "A", { epoch: 2 }))]), ["A primary", "B mirror copy"]);
  t.same(order([seen(unread), seen(mirrorRole("B", "C", { epoch: 3 }))]), ["B mirror copy", "A mirror"]);
});

t.test("a lease that has ended makes nobody a primary", async (t) => {
  t.same(order([seen(primaryRole("A")), seen(mirrorRole("B", "A"))], 1000), ["B none", "A none"]);
});

t.test("a single agent without roles has no standing", async (t) => {
  const [only] = orderedMembers([seen(undefined, { told: { kind: "no-roles" } })], 0);
  t.same(only, { address: "10.0.0.9" });
  t.same(orderedMembers([], 0), []);
});
