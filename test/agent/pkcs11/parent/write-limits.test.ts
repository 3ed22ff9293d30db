// SPDX-License-Identifier: Apache-2.0
// Tests the token's write limits: configured, learned, and their expiry.
import t from "tap";
import { WriteLimits } from "../../../../server/agent/pkcs11/parent/write-limits.ts";

const MINUTE = 60_000;
const live = { cache: "live", objects: 3, shown: null } as const;
const cached = { cache: "cached", objects: 3, shown: null } as const;

t.test("what a refusal teaches", async (t) => {
  let now = 0;
  const limits = new WriteLimits({}, { now: () => now });
  t.same(limits.current(live), { maxObjectBytes: null, objects: null }, "a module that keeps files");
  t.same(limits.current(cached), { maxObjectBytes: 4096, objects: null }, "a card");
  limits.refused({ objects: 126, bytes: 300 });
  const learned = { limit: 126, fromBytes: 300, source: "learned" };
  t.same(limits.current(cached).objects, learned);
  limits.refused({ objects: 130, bytes: 900 });
  t.same(limits.current(cached).objects, learned, "a later refusal of more says nothing new");
  limits.taken({ objects: 127, bytes: 20 });
  t.same(limits.current(cached).objects, learned, "a smaller object may fit beside");
  limits.taken({ objects: 127, bytes: 300 });
  t.equal(limits.current(cached).objects, null, "it takes more after all");
  limits.refused({ objects: 10, bytes: 1 });
  now += 10 * MINUTE - 1;
  t.match(limits.current(cached).objects, { limit: 10 });
  now += 1;
  t.equal(limits.current(cached).objects, null, "it is tried again after a while");
});

t.test("what is configured holds, unless the token takes less", async (t) => {
  const limits = new WriteLimits({ maxObjects: 128, maxObjectBytes: 2048 }, { now: () => 0 });
  t.same(limits.current(live), {
    maxObjectBytes: 2048,
    objects: { limit: 128, fromBytes: 0, source: "configured" },
  });
  limits.refused({ objects: 126, bytes: 300 });
  t.match(limits.current(live).objects, { limit: 126, source: "learned" });
});

t.test("a module that shows so many objects and hides the rest", async (t) => {
  const limits = new WriteLimits({}, { now: () => 0 });
  const view = { cache: "cached", objects: 3, shown: { objects: 13, limit: 128 } } as const;
  t.same(
    limits.current(view).objects,
    { limit: 117, fromBytes: 0, source: "module" },
    "ten places are taken by others, and one is never used",
  );
  limits.refused({ objects: 126, bytes: 300 });
  t.match(limits.current(view).objects, { limit: 117, source: "module" }, "the lower one counts");
  limits.refused({ objects: 20, bytes: 300 });
  t.match(limits.current(view).objects, { limit: 20, source: "learned" });
  const full = { cache: "cached", objects: 3, shown: { objects: 200, limit: 128 } } as const;
  t.match(new WriteLimits({}, { now: () => 0 }).current(full).objects, { limit: 0 });
});

t.test("the size of an object is found by trying", async (t) => {
  const limits = new WriteLimits({}, { now: () => 0 });
  t.equal(limits.tooLarge(2000), false, "what is smaller than all that is known to fit has another cause");
  t.equal(limits.tooLarge(4090), true);
  t.equal(limits.current(cached).maxObjectBytes, 4032);
  t.equal(limits.tooLarge(4032), true);
  t.equal(limits.current(cached).maxObjectBytes, 2048);
  t.equal(limits.tooLarge(2048), false, "there is no smaller one to try");
  limits.refused({ objects: 3, bytes: 2048 });
  t.equal(limits.current(cached).maxObjectBytes, 4096, "it was not the size");
  limits.tooLarge(4096);
  limits.taken({ objects: 4, bytes: 4032 });
  limits.tooLarge(4032);
  limits.refused({ objects: 4, bytes: 2048 });
  t.equal(limits.current(cached).maxObjectBytes, 4032, "what it has taken holds");
  t.equal(
    new WriteLimits({ maxObjectBytes: 4090 }, { now: () => 0 }).tooLarge(4090),
    false,
    "it is configured",
  );
});
