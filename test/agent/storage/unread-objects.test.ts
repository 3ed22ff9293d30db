// SPDX-License-Identifier: Apache-2.0
// Tests unreadable objects, as a removal in two steps leaves them: every interruption of every write on such a token,
// simulated.
import * as fc from "fast-check";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import { PACKED_APPLICATION, type TokenObject } from "../../../server/agent/storage/path.ts";
import { encodePerKey } from "../../../server/agent/storage/per-key.ts";
import {
  countUnread,
  decodeSecret,
  highestVersion,
  type ObjectName,
  withoutLeftovers,
} from "../../../server/agent/storage/secret.ts";
import { planWrite, type TokenLimits } from "../../../server/agent/storage/write-plan.ts";
import type { Layout } from "../../../server/agent-api/schema.ts";

const PATH = "secrets/shop/db";
const WAYS = { removesAtOnce: false, takesEmptyValues: true };
const limits: TokenLimits = { maxObjectBytes: 700, objects: null };

type Keys = ReadonlyMap<string, Uint8Array>;

/** A token: objects that can be read, and the names of those that can't. */
type Token = { objects: TokenObject[]; unread: ObjectName[] };

const keys = fc
  .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "data"), fc.uint8Array({ minLength: 1, maxLength: 900 })), {
    minLength: 1,
    maxLength: 3,
    selector: ([key]) => key,
  })
  .map((entries): Keys => new Map(entries));

const write = fc.record({
  /** Undefined deletes. */
  data: fc.option(keys, { nil: undefined, freq: 3 }),
  layout: fc.constantFrom<Layout>("packed", "per-key"),
  /** After so many steps it is cut: the second of two halves of a removal is a step, too. */
  cut: fc.option(fc.nat({ max: 14 }), { nil: undefined, freq: 2 }),
});

const holds = ({ objects, unread }: Token): string => {
  const decoded = decodeSecret(PATH, objects, unread);
  return decoded.kind === "found" ? decoded.checksum : decoded.kind;
};

/** A removal in two steps: first the value goes, then the name. */
const removal = (token: Token, object: TokenObject): (() => void)[] => [
  () => {
    token.objects = token.objects.filter((one) => one !== object);
    token.unread.push(object);
  },
  () => {
    token.unread = token.unread.filter((one) => one !== object);
  },
];

/** What a fresh look and the tidying after it do, as steps. */
const tidying = (token: Token): (() => void)[] => {
  const settled = withoutLeftovers(PATH, token.objects, countUnread(token.unread));
  if (settled.kind === "invalid") throw new Error(settled.message);
  return settled.surplus.flatMap((object) => removal(token, object));
};

/** Runs steps until `left` are done; whether all were. */
const runSteps = (steps: readonly (() => void)[], budget: { left: number }): boolean => {
  for (const step of steps) {
    if (budget.left === 0) return false;
    budget.left -= 1;
    step();
  }
  return true;
};

/** One write as the agent makes it. Answers what the path must hold: the old content or the new. */
const perform = (
  token: Token,
  { data, layout, cut }: { data: Keys | undefined; layout: Layout; cut: number | undefined },
): { old: string; now: string; done: boolean } => {
  const old = holds(token);
  const budget = { left: cut ?? Number.POSITIVE_INFINITY };
  const now = data === undefined ? "absent" : checksum(data);
  if (!runSteps(tidying(token), budget)) return { old, now, done: false };
  const settled = withoutLeftovers(PATH, token.objects, countUnread(token.unread));
  if (settled.kind === "invalid") throw new Error(settled.message);
  const version = highestVersion(PATH, settled.objects) + 1;
  const content = data && { data, metadata: {}, layout, version };
  if (data === undefined && old === "absent") return { old, now, done: true };
  const plan = planWrite({
    path: PATH,
    objects: settled.objects,
    standing: settled.standing,
    unread: countUnread(token.unread),
    ...(content && { content }),
    used: 0,
    limits,
    ways: WAYS,
  });
  if (plan.kind === "refused") return { old, now: old, done: true };
  const made = plan.journal === undefined ? plan.make : [plan.journal, ...plan.make];
  const makes = made.map((object) => () => void token.objects.push(object));
  if (!runSteps(makes, budget)) return { old, now, done: false };
  const removals = plan.remove.flatMap((object) => removal(token, object));
  if (!runSteps(removals, budget)) return { old, now, done: false };
  return { old, now, done: runSteps(tidying(token), budget) };
};

t.test(
  "any writes, each cut anywhere: the old content or the new, never a mixture, and never unreadable",
  async (t) => {
    let cuts = 0;
    let stuck = 0;
    await fc.assert(
      fc.property(fc.array(write, { minLength: 1, maxLength: 6 }), (writes) => {
        const token: Token = { objects: [], unread: [] };
        for (const one of writes) {
          const { old, now, done } = perform(token, one);
          const found = holds(token);
          if (!done) cuts += 1;
          if (token.unread.length > 0) stuck += 1;
          if (found !== now && (done || found !== old)) {
            throw new Error(`${found}, neither ${old} nor ${now}; ${token.unread.length} can't be read`);
          }
        }
      }),
      { numRuns: Number(process.env.KEYSWITCH_RUNS ?? "4000") },
    );
    t.comment(`${cuts} cuts, ${stuck} times with objects that can't be read`);
    t.ok(cuts > 1_000 && stuck > 300);
  },
);

const packed = (version: number, keysOf: Keys): TokenObject[] =>
  encodePacked({ version, keys: keysOf, metadata: {} }).map((value) => ({
    label: PATH,
    application: PACKED_APPLICATION,
    value,
  }));

t.test("what an object that can't be read means without a journal", async (t) => {
  const some: Keys = new Map([["a", Buffer.from("1")]]);
  const perKey = encodePerKey(PATH, some).map((one) => ({ ...one, application: "hsm-secrets-operator" }));
  const name = (label: string, application: string): ObjectName => ({ label, application });
  const rows: [what: string, objects: TokenObject[], unread: ObjectName[], holds: string][] = [
    ["alone, it is not absent", [], [name(PATH, PACKED_APPLICATION)], "invalid"],
    [
      "beside a whole secret it is an old one",
      packed(2, some),
      [name(PATH, PACKED_APPLICATION)],
      checksum(some),
    ],
    ["a key that another object gives", perKey, [name(`${PATH}/a`, "x")], checksum(some)],
    ["a key that is missing", perKey, [name(`${PATH}/b`, "x")], "invalid"],
    ["a key beside a packed secret", packed(2, some), [name(`${PATH}/b`, "x")], "invalid"],
    ["a journal is removed last", packed(2, some), [name(PATH, "keyswitch/1/journal")], checksum(some)],
    ["a journal alone", [], [name(PATH, "keyswitch/1/journal")], "absent"],
  ];
  for (const [what, objects, unread, expected] of rows) t.equal(holds({ objects, unread }), expected, what);
});
