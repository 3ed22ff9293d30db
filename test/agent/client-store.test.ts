// SPDX-License-Identifier: Apache-2.0
// Tests that many changes in one go are as those one by one: none at a path that the agent keeps for itself.
import t from "tap";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { createClientStore } from "../../server/agent/client-store.ts";
import type { PathChange } from "../../server/agent/store.ts";

const changeAt = (path: string): PathChange => ({ path, change: { type: "delete" }, precondition: {} });

t.test("a store that can make many changes in one go", async (t) => {
  const asked: string[] = [];
  const store = createClientStore({
    ...createMemoryStore(),
    changeAll: async (changes) => {
      asked.push(...changes.map(({ path }) => path));
      return changes.map(() => ({ kind: "absent" }));
    },
  });
  t.same(await store.changeAll?.([changeAt("a"), changeAt("b")]), [{ kind: "absent" }, { kind: "absent" }]);
  const refused = store.changeAll?.([changeAt("c"), changeAt("keyswitch/1/set")]).then(() => undefined);
  await t.rejects(refused ?? Promise.resolve(), { message: "keyswitch/1/set is no client's to write" });
  t.same(asked, ["a", "b"], "nothing of it is done");
});

t.test("one that can't has no such way", async (t) => {
  t.equal(createClientStore(createMemoryStore()).changeAll, undefined);
});
