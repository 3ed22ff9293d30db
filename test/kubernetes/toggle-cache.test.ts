// SPDX-License-Identifier: Apache-2.0
// Tests that after any sequence of changes and outages the cache equals a fresh list, and the reported changes lead to it.

import fc from "fast-check";
import t, { type Test } from "tap";
import { startTcpProxy } from "../doubles/tcp-proxy.ts";
import { COLLECTION, configOf, freshList, hurriedClock, startApi, watchToggles } from "./toggle-scene.ts";

const NAMES = ["a", "b", "c"] as const;
const name = fc.constantFrom(...NAMES);
type Doing = "switch" | "make" | "remove" | "status" | "shut" | "open" | "hang" | "replace" | "catch up";
type Step = { do: Doing; name: (typeof NAMES)[number]; on: boolean };
/** One of these, with a name and a switch for those that need one. */
const does = (...doings: Doing[]): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constantFrom(...doings), name, on: fc.boolean() });
const step = fc.oneof(
  { weight: 6, arbitrary: does("switch") },
  { weight: 3, arbitrary: does("make") },
  { weight: 3, arbitrary: does("remove") },
  { weight: 2, arbitrary: does("status") },
  { weight: 2, arbitrary: does("shut", "open", "hang", "replace", "catch up") },
);

/** An API server behind a proxy, and the cache that watches it through it. */
const startScene = async (t: Test) => {
  const api = await startApi(t, { bookmarkIntervalMs: 40, historyLimit: 10 });
  const proxy = await startTcpProxy(t, api.url);
  const seen = watchToggles(t, configOf(proxy.url), {
    clock: hurriedClock,
    silentMs: 3000,
    timeoutMs: 10_000,
  });
  const told = new Map<string, unknown>();
  seen.toggles.subscribe(({ name, toggle }) => (toggle ? told.set(name, toggle) : told.delete(name)));
  let isOpen = true;
  const equal = async () => {
    const fresh = await freshList(api);
    await seen.until(() => JSON.stringify(seen.toggles.list()) === JSON.stringify(fresh));
  };
  const setProxy = async (open: boolean) => {
    if (open === isOpen) return;
    await (open ? proxy.open() : proxy.shut());
    isOpen = open;
  };
  const acts: Record<Step["do"], (step: Step, index: number) => unknown> = {
    make: ({ name }) => unlessMissing(api.make(name)),
    switch: ({ name, on }, index) => unlessMissing(api.change(name, { enabled: on, reason: `${index}` })),
    remove: ({ name }) => unlessMissing(api.remove(name)),
    status: ({ name }, index) => unlessMissing(api.setStatus(name, { message: `${index}` })),
    shut: () => setProxy(false),
    open: () => setProxy(true),
    hang: () => proxy.hang(),
    replace: () => api.replace(),
    "catch up": () => isOpen && equal(),
  };
  return {
    seen,
    told,
    equal,
    open: () => setProxy(true),
    act: (step: Step, index: number) => acts[step.do](step, index),
  };
};

/** What there is nothing of to change is left. */
const unlessMissing = (call: Promise<unknown>) => call.catch(() => undefined);

t.test("the memory comes to equal a fresh list", async (t) => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 40 }),
    async (steps: Step[]) => {
      const { seen, told, equal, open, act } = await startScene(t);
      for (const [index, step] of steps.entries()) await act(step, index);
      await open();
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
