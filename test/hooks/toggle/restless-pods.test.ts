// SPDX-License-Identifier: Apache-2.0
// Tests that pods which come, crash and go move the status of their Toggle no more often than there is something to tell.
import t from "tap";
import { ended, pod, running as runs, waiting } from "./pods.ts";
import { deployment, type RequestParts } from "./request.ts";
import { at, SyncedToggle } from "./start.ts";
import { running, stopped } from "./sync-row.ts";

const web = (available: number, ...pods: NonNullable<RequestParts["pods"]>): RequestParts => ({
  owned: [deployment(1, {}, available)],
  pods,
});
const one = { ...stopped, lastReplicas: 1 };

t.test("a hundred quiet syncs change no byte", async (t) => {
  for (const parts of [
    { state: waiting("ErrImagePull") },
    { state: waiting("CrashLoopBackOff"), lastState: ended(1), restarts: 7 },
    { unscheduled: { reason: "Unschedulable", message: "0/3 nodes are available: 3 Insufficient cpu." } },
    { state: runs(at(0)) },
  ]) {
    for (const start of [one, { ...running, desiredReplicas: 1, lastReplicas: 1 }]) {
      const toggle = new SyncedToggle(start);
      toggle.sync(0, web(0, pod(parts)));
      const bytes = JSON.stringify(toggle.status);
      for (let seconds = 5; seconds <= 500; seconds += 5) {
        // Nothing is told of how often it crashed, nor of what else changes in a pod.
        const restarts = seconds;
        const metadata = { resourceVersion: `${seconds}` };
        toggle.sync(seconds, web(0, pod({ ...parts, ...("restarts" in parts && { restarts }), metadata })));
      }
      t.equal(JSON.stringify(toggle.status), bytes);
      t.equal(toggle.writes, 1);
    }
  }
});

/** A container that ends each time after `runsFor` seconds, for two hours, each change and each asked time a sync. */
const crashLoop = (runsFor: number, hasProbe: boolean) => {
  const toggle = new SyncedToggle(one);
  let [seconds, crashes, wake] = [0, 0, Number.POSITIVE_INFINITY];
  const sync = (parts: RequestParts) => {
    const { resync } = toggle.sync(seconds, parts);
    wake = resync === undefined ? Number.POSITIVE_INFINITY : seconds + resync;
  };
  const goOn = (until: number, parts: RequestParts) => {
    sync(parts);
    while (wake < until) {
      seconds = wake;
      sync(parts);
    }
    seconds = until;
  };
  let last: ReturnType<typeof ended> | undefined;
  const seen = () => ({ restarts: crashes, ...(last !== undefined && { lastState: last }) });
  goOn(2, web(0, pod({ state: waiting("ContainerCreating") })));
  while (seconds < 7200) {
    const isUp = !hasProbe;
    goOn(seconds + runsFor, web(isUp ? 1 : 0, pod({ ready: isUp, state: runs(at(seconds)), ...seen() })));
    const end = ended(1, "Error", runsFor);
    goOn(seconds + 1, web(0, pod({ state: end, ...seen() })));
    crashes += 1;
    last = end;
    goOn(
      seconds + Math.min(300, 10 * 2 ** (crashes - 1)),
      web(0, pod({ state: waiting("CrashLoopBackOff"), ...seen() })),
    );
  }
  return { toggle, crashes };
};

t.test("a container that crashes before it is ready moves the status a few times in all", async (t) => {
  const { toggle, crashes } = crashLoop(5, true);
  t.ok(crashes > 20);
  t.same(toggle.phases, ["Starting", "Degraded"]);
  t.same([...toggle.problems], [undefined, "CrashLoopBackOff: the container app ended with exit code 1."]);
  t.equal(toggle.events.length, 2);
  t.equal(toggle.writes, 3, "it starts, it crashes, it is late");
});

t.test("a container without a probe that crashes is not Running again after its first run", async (t) => {
  for (const runsFor of [5, 60, 250]) {
    const { toggle, crashes } = crashLoop(runsFor, false);
    const ups = toggle.phases.filter((phase) => phase === "Running").length;
    // A short back-off proves nothing: one that runs for longer than that is up, until it has crashed a few times.
    const allowed = { 5: 1, 60: 4, 250: 6 }[runsFor] ?? 0;
    t.ok(ups <= allowed, `${ups} times Running of ${crashes} crashes after ${runsFor} s each`);
    t.equal(toggle.phases.at(-1), "Degraded");
    t.ok(toggle.events.length <= 2 * allowed + 1, `${toggle.events.length} events`);
    // How many are available is counted, and that changes twice for each crash.
    t.ok(toggle.writes <= 2 * crashes + 2 * allowed + 2, `${toggle.writes} writes for ${crashes} crashes`);
  }
});

t.test(
  "a container that recovers is Running as soon as it has run for as long as it was held back",
  async (t) => {
    const toggle = new SyncedToggle(one);
    const crashed = { lastState: ended(1), restarts: 2 };
    toggle.sync(0, web(0, pod({ state: waiting("CrashLoopBackOff"), ...crashed })));
    const up = web(1, pod({ ready: true, state: runs(at(20)), ...crashed }));
    t.match(toggle.sync(20, up), {
      status: {
        phase: "Starting",
        message:
          "1 of 1 replica of the Deployment web available. CrashLoopBackOff: the container app ended with exit code 1.",
      },
      resync: 20,
    });
    t.match(toggle.sync(39, up), { status: { phase: "Starting" }, resync: 1 });
    const { status, resync } = toggle.sync(40, up);
    t.equal(status.phase, "Running");
    t.notOk("problem" in status);
    t.equal(resync, undefined);
  },
);

t.test("what crashed once while it was up and is back before anybody looked stays Running", async (t) => {
  const toggle = new SyncedToggle({ ...running, desiredReplicas: 1, lastReplicas: 1 });
  const up = web(1, pod({ ready: true, state: runs(at(-1)), lastState: ended(1), restarts: 9 }));
  t.match(toggle.sync(0, up), { status: { phase: "Running" }, resync: undefined });
});
