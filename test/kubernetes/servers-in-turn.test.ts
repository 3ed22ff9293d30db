// SPDX-License-Identifier: Apache-2.0
// Tests that two API servers of different states behind one address, which answer in turn, are not asked without a pause.
import { pino } from "pino";
import t from "tap";
import type { ApiAnswer, KubernetesClient, WatchEnd } from "../../server/kubernetes/client.ts";
import { createToggleCache } from "../../server/kubernetes/toggle-cache.ts";
import { startToggleWatch } from "../../server/kubernetes/toggle-watch.ts";
import { fakeClock } from "../doubles/clock.ts";

t.test("each watch is opened after a pause", async (t) => {
  const clock = fakeClock();
  const logger = pino({ level: "silent" });
  let lists = 0;
  const client: KubernetesClient = {
    request: async () => {
      lists += 1;
      if (lists > 20) return new Promise<ApiAnswer>(() => undefined);
      const resourceVersion = lists % 2 === 1 ? "1000" : "500";
      return { ok: true, body: { metadata: { resourceVersion }, items: [] } };
    },
    watch: ({ signal, onOpen }) => {
      const { promise, resolve } = Promise.withResolvers<WatchEnd>();
      signal.addEventListener("abort", () => resolve({ ok: true, end: "aborted" }));
      onOpen();
      return promise;
    },
    close: async () => undefined,
  };
  const watch = startToggleWatch({
    client,
    path: "/toggles",
    memory: createToggleCache({ namespace: "demo", logger }),
    logger,
    clock,
    wallClock: () => 0,
    random: () => 0,
    silentMs: 60_000,
  });
  await clock.pass(0);
  t.equal(lists, 2);
  t.match(watch.state(), { ok: false, message: /another state/ });
  await clock.pass(1000);
  t.equal(lists, 4);
  await watch.close();
});
