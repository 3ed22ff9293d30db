// SPDX-License-Identifier: Apache-2.0
// What is believed of a token's limits: as configured, as learned, and for how long.
import t from "tap";
import { createWriteLimits } from "../../server/agent/pkcs11/write-limits.ts";

const MINUTE = 60_000;

t.test("what a refusal teaches", async (t) => {
  let now = 0;
  const limits = createWriteLimits({}, { now: () => now });
  t.same(limits.current("live"), { maxObjectBytes: null, objects: null }, "a module that keeps files");
  t.same(limits.current("cached"), { maxObjectBytes: 4096, objects: null }, "a card");
  limits.refused({ objects: 126, bytes: 300 });
  const learned = { limit: 126, fromBytes: 300, source: "learned" };
  t.same(limits.current("cached").objects, learned);
  limits.refused({ objects: 130, bytes: 900 });
  t.same(limits.current("cached").objects, learned, "a later refusal of more says nothing new");
  limits.taken({ objects: 127, bytes: 20 });
  t.same(limits.current("cached").objects, learned, "a smaller object may fit beside");
  limits.taken({ objects: 127, bytes: 300 });
  t.equal(limits.current("cached").objects, null, "it takes more after all");
  limits.refused({ objects: 10, bytes: 1 });
  now += 10 * MINUTE - 1;
  t.match(limits.current("cached").objects, { limit: 10 });
  now += 1;
  t.equal(limits.current("cached").objects, null, "it is tried again after a while");
});

t.test("what is configured holds, unless the token takes less", async (t) => {
  const limits = createWriteLimits({ maxObjects: 128, maxObjectBytes: 2048 }, { now: () => 0 });
  t.same(limits.current("live"), {
    maxObjectBytes: 2048,
    objects: { limit: 128, fromBytes: 0, source: "configured" },
  });
  limits.refused({ objects: 126, bytes: 300 });
  t.match(limits.current("live").objects, { limit: 126, source: "learned" });
});
