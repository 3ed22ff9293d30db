// SPDX-License-Identifier: Apache-2.0
// Tests every interruption of every kind of write without a token: stops after each step of the plan.
import * as fc from "fast-check";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { settle } from "../../../server/agent/storage/journal.ts";
import { encodePacked } from "../../../server/agent/storage/packed.ts";
import {
  JOURNAL_APPLICATION,
  PACKED_APPLICATION,
  type TokenObject,
} from "../../../server/agent/storage/path.ts";
import { encodePerKey } from "../../../server/agent/storage/per-key.ts";
import { decodeSecret, highestVersion, withoutLeftovers } from "../../../server/agent/storage/secret.ts";
import { planWrite, type TokenLimits } from "../../../server/agent/storage/write-plan.ts";
import type { Layout } from "../../../server/agent-api/schema.ts";

const PATH = "secrets/shop/db";

type Keys = ReadonlyMap<string, Uint8Array>;

const keys = fc
  .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c", "data"), fc.uint8Array({ maxLength: 700 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  })
  .map((entries): Keys => new Map(entries));

const layout = fc.constantFrom<Layout>("packed", "per-key");

/** What is at the path before: nothing, a packed secret whole or in parts, per-key with or without metadata, a tombstone. */
const before = fc.oneof(
  fc.constant<TokenObject[]>([]),
  fc.tuple(keys, fc.integer({ min: 1, max: 9 }), fc.constantFrom(512, 4096)).map(([data, version, most]) =>
    encodePacked({ version, keys: data, metadata: {} }, most).map((value) => ({
      label: PATH,
      application: PACKED_APPLICATION,
      value,
    })),
  ),
  fc
    .tuple(keys, fc.option(fc.integer({ min: 1, max: 9 })))
    .map(([data, version]) =>
      encodePerKey(
        PATH,
        data,
        version === null ? undefined : { labels: { "sync.version": String(version) } },
      ).map((object) => ({ ...object, application: "hsm-secrets-operator" })),
    ),
  fc.constant<TokenObject[]>([
    {
      label: `${PATH}/_metadata`,
      application: "hsm-secrets-operator",
      value: Buffer.from(JSON.stringify({ labels: { "sync.version": "3", "sync.deleted": "true" } })),
    },
  ]),
);

/** What the path holds, as far as anybody can see it. */
const seen = (objects: readonly TokenObject[]): string => {
  const decoded = decodeSecret(PATH, objects);
  return decoded.kind === "found" ? decoded.checksum : decoded.kind;
};

/** The token after each step of the write, the first one before it. */
const stepsOf = (
  objects: readonly TokenObject[],
  data: Keys | undefined,
  wanted: Layout,
  limits: TokenLimits,
): TokenObject[][] | undefined => {
  const version = highestVersion(PATH, objects) + 1;
  const content = data && { data, metadata: {}, layout: wanted, version };
  const plan = planWrite({ path: PATH, objects, ...(content && { content }), used: objects.length, limits });
  if (plan.kind === "refused") return undefined;
  const steps = [[...objects]];
  const step = (next: (token: TokenObject[]) => TokenObject[]): void => {
    steps.push(next(steps.at(-1) ?? []));
  };
  const { journal, make, remove } = plan;
  for (const object of journal === undefined ? make : [journal, ...make]) step((token) => [...token, object]);
  for (const object of journal === undefined ? remove : [...remove, journal]) {
    step((token) => token.filter((other) => other !== object));
  }
  return steps;
};

/** The token once it is rid of what a cut write has left; throws where that changes what is seen. */
const cleaned = (token: readonly TokenObject[]): TokenObject[] => {
  const shown = seen(token);
  const clean = withoutLeftovers(PATH, token);
  if (clean.kind !== "settled") throw new Error(clean.message);
  // The cleaning itself may be cut as well.
  let left = [...token];
  for (const gone of clean.surplus) {
    left = left.filter((object) => object !== gone);
    if (seen(left) !== shown) throw new Error("the cleaning changed what is seen");
  }
  const again = withoutLeftovers(PATH, left);
  if (again.kind !== "settled" || again.surplus.length > 0) throw new Error("something is left over");
  return left;
};

/** Throws where a token that is cut off at a step shows something else than the old or the new, or the old after the new. */
const checkSteps = (steps: readonly TokenObject[][], old: string, after: string): void => {
  let isNew = false;
  for (const shown of steps.map(seen)) {
    if (shown !== old && shown !== after) throw new Error(`torn: ${shown}`);
    if (isNew && shown !== after) throw new Error("the new secret went away again");
    isNew ||= shown === after && old !== after;
  }
};

const NO_LIMITS: TokenLimits = { maxObjectBytes: null, objects: null };
const CARD: TokenLimits = { maxObjectBytes: 512, objects: null };

t.test(
  "a write that is cut after any step leaves the old secret or the new one, and what is left over can go",
  async (t) => {
    let cuts = 0;
    await fc.assert(
      fc.property(
        before,
        fc.option(keys),
        layout,
        fc.constantFrom(NO_LIMITS, CARD),
        (objects, data, wanted, limits) => {
          const steps = stepsOf(objects, data ?? undefined, wanted, limits);
          if (steps === undefined) return;
          const old = seen(objects);
          const after = data === null ? "absent" : checksum(data);
          const last = steps.at(-1) ?? [];
          if (seen(last) !== after) throw new Error(`the whole write shows ${seen(last)}`);
          if (last.some(({ application }) => application === JOURNAL_APPLICATION)) {
            throw new Error("journal left");
          }
          cuts += steps.length;
          checkSteps(steps, old, after);
          for (const left of steps.map(cleaned)) {
            if (![objects.length, last.length].includes(left.length)) {
              throw new Error("objects are left over");
            }
          }
        },
      ),
      { numRuns: 3000 },
    );
    t.comment(`${cuts} cuts`);
    t.ok(cuts > 3000);
  },
);

t.test("an object that the token hides is never taken for a cut write", async (t) => {
  await fc.assert(
    fc.property(before, keys, layout, fc.nat(), (objects, data, wanted, which) => {
      const steps = stepsOf(objects, data, wanted, CARD) ?? [];
      const last = steps.at(-1) ?? [];
      for (const token of steps.slice(1)) {
        const journal = token.find(({ application }) => application === JOURNAL_APPLICATION);
        // What stays is in no journal: a token that hides it hides it from everybody, write or no write.
        const moving = token.filter(
          (object) => object !== journal && !(objects.includes(object) && last.includes(object)),
        );
        const hidden = moving[which % Math.max(1, moving.length)];
        if (journal === undefined || hidden === undefined) continue;
        const shown = token.filter((object) => object !== hidden);
        const settled = settle(PATH, shown);
        if (settled.kind === "invalid") continue;
        // What would be removed must not be the last that there is of one side while the other is not whole.
        const kept = seen(settled.objects);
        const sides = [seen(objects), checksum(data)];
        if (!sides.includes(kept) && settled.surplus.some((object) => object !== journal)) {
          throw new Error(`${kept} is kept, and ${settled.surplus.length} objects would go`);
        }
      }
    }),
    { numRuns: 2000 },
  );
  t.pass("no counterexample");
});
