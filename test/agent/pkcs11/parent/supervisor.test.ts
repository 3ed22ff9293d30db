// SPDX-License-Identifier: Apache-2.0
// Tests which child serves and how fresh its view is, with a simulated clock and simulated children.
import t from "tap";
import { Alarm, LoadTimes, pauseAfter } from "../../../../server/agent/pkcs11/parent/load-schedule.ts";
import { StartFailures } from "../../../../server/agent/pkcs11/parent/serving-child.ts";
import { Supervisor } from "../../../../server/agent/pkcs11/parent/supervisor.ts";
import { type Health, unavailable } from "../../../../server/agent/store.ts";
import { FakeChild, viewOf } from "../../../doubles/child.ts";
import { fakeClock } from "../../../doubles/clock.ts";

const FAILED = unavailable("TOKEN_UNAVAILABLE", "no token");
const REFRESH_MS = 600_000;

const supervised = () => {
  const clock = fakeClock();
  const children: FakeChild[] = [];
  const starts: string[] = [];
  const health: Health[] = [];
  const loads: number[] = [];
  const supervisor = new Supervisor({
    clock,
    refreshIntervalMs: REFRESH_MS,
    longestSpacingMs: 1_000,
    startChild: () => {
      const child = new FakeChild(clock.now());
      children.push(child);
      return child;
    },
    events: {
      childStarted: (reason) => starts.push(reason),
      loaded: (_objects, seconds) => loads.push(seconds),
      capacity: () => undefined,
      health: (said) => health.push(said),
    },
  });
  const child = (at: number): FakeChild => {
    const found = children.at(at);
    if (found === undefined) throw new Error(`there is no child ${at}`);
    return found;
  };
  return { clock, supervisor, children, child, starts, health, loads };
};

t.test("one start at a time, and a failure is told to who asked before it", async (t) => {
  const { clock, supervisor, children, child, starts, health } = supervised();
  const [first, second] = [supervisor.acquire(clock.now()), supervisor.acquire(clock.now())];
  t.equal(children.length, 1);
  child(0).fail(FAILED);
  t.same(await Promise.all([first, second]), [FAILED, FAILED]);
  t.same(supervisor.health(), { ready: false, code: FAILED.code, message: FAILED.message });

  await clock.pass(1);
  const third = supervisor.acquire(clock.now());
  await clock.pass(40);
  t.equal(children.length, 1, "the next start comes a little later");
  await clock.pass(10);
  t.equal(children.length, 2);
  child(1).ready();
  t.equal(await third, child(1));
  t.equal(supervisor.serving(), child(1));
  t.equal(health.at(-1)?.ready, true);
  t.same(starts, ["start", "start"]);
  await supervisor.close();
  t.match(child(1).killedFor, { message: /shutting down/ });
  t.match(await supervisor.acquire(clock.now()), { message: /shutting down/ });
  await clock.pass(10 * REFRESH_MS);
  t.equal(children.length, 2, "nothing is started after the end");
});

t.test("without a call the token is looked for by itself", async (t) => {
  const { clock, children, child, starts } = supervised();
  child(0).fail(FAILED);
  await clock.pass(1_000);
  child(1).fail(FAILED);
  await clock.pass(1_999);
  t.equal(children.length, 2);
  await clock.pass(1);
  t.equal(children.length, 3);
  t.same(starts, ["start", "replace", "replace"]);
});

t.test("a child that ends is replaced", async (t) => {
  const { clock, supervisor, child, starts, health } = supervised();
  child(0).ready();
  await clock.pass(1);
  child(0).kill(unavailable("TIMEOUT", "stuck"));
  await clock.pass(0);
  t.match(health.at(-1), { ready: false, code: "TIMEOUT" });
  t.equal(supervisor.serving(), undefined);
  child(1).ready();
  await clock.pass(0);
  t.equal(supervisor.serving(), child(1));
  t.same(starts, ["start", "replace"]);
});

t.test("a module that caches has a new view in a new child", async (t) => {
  const { clock, supervisor, child, starts, loads } = supervised();
  child(0).ready(viewOf("cached"));
  await clock.pass(10);
  child(0).answer = () => ({ kind: "present", present: true });
  const fresh = supervisor.refreshedSince(clock.now());
  await clock.pass(20);
  t.equal(supervisor.serving(), child(0), "the old one serves until the new one is ready");
  child(1).ready(viewOf("cached"));
  t.equal(await fresh, undefined);
  t.equal(supervisor.serving(), child(1));
  t.ok(child(0).isRetired);
  t.same(starts, ["start", "refresh"]);
  t.same(loads, [0, 0.02]);

  await clock.pass(1);
  const failing = supervisor.refreshedSince(clock.now());
  await clock.pass(0);
  child(2).fail(FAILED);
  t.equal(await failing, FAILED);
  t.equal(supervisor.serving(), child(1), "a start that failed says nothing of the view that is there");
  t.equal(supervisor.health().ready, true);
  await clock.pass(1);
  const gone = supervisor.refreshedSince(clock.now());
  await clock.pass(1_000);
  child(3).fail(FAILED, true);
  await gone;
  await clock.pass(0);
  t.equal(child(1).killedFor, FAILED, "unless the token is positively gone");
});

t.test("a module that caches is asked whether its token is there", async (t) => {
  const { clock, supervisor, child, children } = supervised();
  child(0).answer = () => ({ kind: "present", present: true });
  child(0).ready(viewOf("cached"));
  await clock.pass(3_000);
  t.same(child(0).operations, ["probe", "probe", "probe"]);
  const write = Promise.withResolvers<void>();
  const writing = supervisor.whileNoneLoads(() => write.promise);
  await clock.pass(3_000);
  t.equal(child(0).operations.length, 3, "not beside a write");
  write.resolve();
  await writing;
  child(0).answer = () => ({ kind: "present", present: false });
  await clock.pass(1_000);
  t.equal(children.length, 2, "where it is not, a new child shows what is there");
  child(1).ready(viewOf("cached"));
  await clock.pass(0);
  t.equal(supervisor.serving(), child(1));
});

t.test("a write waits until no other child loads", async (t) => {
  const { clock, supervisor, child, children } = supervised();
  child(0).ready(viewOf("cached"));
  await clock.pass(1);
  const fresh = supervisor.refreshedSince(clock.now());
  await clock.pass(0);
  const login = Promise.withResolvers<void>();
  child(1).login = login.promise;
  const write = Promise.withResolvers<string>();
  const written = supervisor.whileNoneLoads(() => write.promise);
  const next = supervisor.whileNoneLoads(async () => "next");
  await clock.pass(0);
  t.equal(child(1).killedFor, undefined, "a child in its log-in is left to end that");
  login.resolve();
  await clock.pass(0);
  t.match(child(1).killedFor, { message: /out of date/ });
  t.equal(supervisor.serving(), child(0));
  t.equal(children.length, 2, "no other load begins");
  write.resolve("done");
  t.equal(await written, "done");
  t.equal(await next, "next", "writes go one after another");
  await clock.pass(0);
  child(2).ready(viewOf("cached"));
  t.equal(await fresh, undefined, "who waited for the load has another");
});

t.test("a live module's index is read again in place", async (t) => {
  const { clock, supervisor, child, starts, loads } = supervised();
  child(0).ready();
  await clock.pass(1);
  let asked = 0;
  child(0).answer = async () => {
    asked = clock.now();
    await new Promise<void>((resolve) => clock.after(50, resolve));
    child(0).loadedSince = asked;
    return { kind: "refreshed", view: viewOf("live") };
  };
  const both = [supervisor.refreshedSince(1), supervisor.refreshedSince(1)];
  await clock.pass(50);
  t.same(await Promise.all(both), [undefined, undefined]);
  t.same(child(0).operations, ["refresh"], "once for all who ask at the same time");
  t.same(loads, [0, 0.05]);

  const spaced = supervisor.refreshedSince(clock.now(), true);
  await clock.pass(499);
  t.equal(child(0).operations.length, 1, "one that anybody can ask for waits for its tenth of the time");
  await clock.pass(60);
  t.equal(await spaced, undefined);
  child(0).answer = () => ({ kind: "stale" });
  await clock.pass(1);
  t.match(await supervisor.refreshedSince(clock.now()), { message: /kept changing/, retryAfterSeconds: 1 });
  await clock.pass(REFRESH_MS);
  t.equal(child(0).operations.length, 4, "and one comes by itself after a while");
  t.same(starts, ["start"]);
  child(0).answer = () => ({ kind: "absent" });
  t.match(await supervisor.refreshedSince(clock.now()), { message: /out of turn/ });
  t.match(child(0).killedFor, { message: /out of turn/ });
});

t.test("failures in a row", async (t) => {
  const clock = fakeClock();
  const failures = new StartFailures(clock);
  t.equal(failures.waitMs(), 0);
  failures.add(0, FAILED);
  t.equal(failures.reasonSince(0), FAILED);
  t.equal(failures.reasonSince(1), undefined, "a failure says nothing to who came later");
  t.same([failures.waitMs(), failures.idleMs()], [50, 1_000]);
  for (let n = 0; n < 20; n += 1) failures.add(0, FAILED);
  t.same([failures.waitMs(), failures.idleMs()], [1_000, 30_000], "waits have an end");
  await clock.pass(400);
  t.equal(failures.waitMs(), 600);
  failures.clear();
  t.equal(failures.reasonSince(0), undefined);
  t.equal(failures.idleMs(), 500);
});

t.test("times of loads", async (t) => {
  const times = new LoadTimes();
  t.equal(times.lastMs, 0);
  times.loaded(300, 1_000);
  t.same([times.nextMs(false), times.nextMs(true)], [300, 0], "a start says nothing of a load in place");
  times.tookInPlace(20);
  t.equal(times.nextMs(true), 20);
  t.equal(times.nextSpaced(1_000), 1_000 + pauseAfter(20));
  t.equal(times.nextSpaced(50), 1_050, "it is not put off for ever");
});

t.test("an alarm is set to one thing", async (t) => {
  const clock = fakeClock();
  const alarm = new Alarm(clock);
  const rung: string[] = [];
  alarm.set(10, () => rung.push("first"));
  alarm.set(20, () => rung.push("second"));
  await clock.pass(30);
  alarm.set(10, () => rung.push("third"));
  alarm.stop();
  alarm.close();
  alarm.set(10, () => rung.push("fourth"));
  await clock.pass(30);
  t.same(rung, ["second"]);
});
