// SPDX-License-Identifier: Apache-2.0
// Tests that after any sequence of changes and outages the cache equals a fresh list, and the reported changes lead to it.
import fc from "fast-check";
import t from "tap";
import { startTcpProxy } from "./tcp-proxy.ts";
import { COLLECTION, configOf, freshList, hurriedClock, startApi, watchToggles } from "./toggle-scene.ts";

const NAMES = ["a", "b", "c"] as const;
const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("switch" as const), name, on: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("make" as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("status" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("shut", "open", "hang", "replace", "catch up") }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

t.test("the memory comes to equal a fresh list", async (t) => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 40 }),
    async (steps: Step[]) => {
      const api = await startApi(t, { bookmarkIntervalMs: 40, historyLimit: 10 });
      const proxy = await startTcpProxy(t, api.url);
      const seen = watchToggles(t, configOf(proxy.url), { clock: hurriedClock, silentMs: 3000 });
      const told = new Map<string, unknown>();
      seen.toggles.subscribe(({ name, toggle }) => (toggle ? told.set(name, toggle) : told.delete(name)));
      let isOpen = true;
      const equal = async () => {
        const fresh = await freshList(api);
        await seen.until(() => JSON.stringify(seen.toggles.list()) === JSON.stringify(fresh));
      };
      /** What there is nothing of to change is left. */
      const unlessMissing = (call: Promise<unknown>) => call.catch(() => undefined);
      for (const [index, step] of steps.entries()) {
        if (step.do === "make") await unlessMissing(api.make(step.name));
        if (step.do === "switch")
          await unlessMissing(api.change(step.name, { enabled: step.on, reason: `${index}` }));
        if (step.do === "remove") await unlessMissing(api.remove(step.name));
        if (step.do === "status") await unlessMissing(api.setStatus(step.name, { message: `${index}` }));
        if (step.do === "shut" && isOpen) await proxy.shut();
        if (step.do === "open" && !isOpen) await proxy.open();
        if (step.do === "shut" || step.do === "open") isOpen = step.do === "open";
        if (step.do === "hang") proxy.hang();
        if (step.do === "replace") await api.replace();
        if (step.do === "catch up" && isOpen) await equal();
      }
      if (!isOpen) await proxy.open();
      await equal();
      await seen.until(() => seen.toggles.state().ok);
      await equal();
      t.same(
        [...told.values()].map((toggle) => JSON.stringify(toggle)).sort(),
        seen.toggles
          .list()
          .map((toggle) => JSON.stringify(toggle))
          .sort(),
      );
      await seen.toggles.close();
    },
  );
  await fc.assert(property, { numRuns: 15 });
  t.pass(`15 sequences on ${COLLECTION}`);
});
