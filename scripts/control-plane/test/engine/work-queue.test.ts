// SPDX-License-Identifier: Apache-2.0
// Tests the work queue: one worker a key, one place a key, backoff after errors.
import t from "tap";
import { createWorkQueue, type QueueClock, type Verdict } from "../../engine/work-queue.ts";

/** A clock that stands still until it is told to go on. */
const stoppedClock = () => {
  let time = 0;
  let timers: { at: number; fire: () => void }[] = [];
  const clock: QueueClock = {
    now: () => time,
    after: (ms, fire) => {
      const timer = { at: time + ms, fire };
      timers.push(timer);
      return () => {
        timers = timers.filter((entry) => entry !== timer);
      };
    },
  };
  return {
    clock,
    /** The delays that are running, shortest first. */
    pending: () => timers.map(({ at }) => at - time).sort((a, b) => a - b),
    advance: (ms: number) => {
      time += ms;
      const due = timers.filter(({ at }) => at <= time);
      timers = timers.filter(({ at }) => at > time);
      for (const { fire } of due) fire();
    },
  };
};

/** Work that ends when the test says so. */
const heldWork = () => {
  const started: string[] = [];
  const ends = new Map<string, (verdict: Verdict) => void>();
  return {
    started,
    work: (key: string) => {
      started.push(key);
      return new Promise<Verdict>((resolve) => ends.set(key, resolve));
    },
    end: async (key: string, verdict: Verdict = { kind: "done" }) => {
      ends.get(key)?.(verdict);
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
};

t.test("a key that is added while it is worked on runs once more, after that", async (t) => {
  const { started, work, end } = heldWork();
  const queue = createWorkQueue({ workers: 4, work });
  queue.add("a");
  for (let times = 0; times < 3; times += 1) queue.add("a");
  t.strictSame(started, ["a"], "not two workers at once");
  await end("a");
  t.strictSame(started, ["a", "a"]);
  await end("a");
  t.strictSame(started, ["a", "a"], "and no third time");
  t.equal(queue.busy(), false);
});

t.test("other keys go on while one is worked on, up to the number of workers", async (t) => {
  const { started, work, end } = heldWork();
  const queue = createWorkQueue({ workers: 2, work });
  for (const key of ["a", "b", "c"]) queue.add(key);
  t.strictSame(started, ["a", "b"]);
  await end("b");
  t.strictSame(started, ["a", "b", "c"]);
});

t.test("each fault in a row doubles the delay from 5 ms on, and a success forgets them", async (t) => {
  const time = stoppedClock();
  const verdicts: Verdict[] = [];
  const queue = createWorkQueue({
    workers: 1,
    clock: time.clock,
    work: async () => verdicts.shift() ?? { kind: "done" },
  });
  const delays: number[] = [];
  const fault: Verdict = { kind: "retry" };
  verdicts.push(fault, fault, fault, { kind: "done" }, fault);
  queue.add("a");
  for (let step = 0; step < 3; step += 1) {
    await queue.idle();
    delays.push(...time.pending());
    time.advance(time.pending()[0] ?? 0);
  }
  await queue.idle();
  queue.add("a");
  await queue.idle();
  t.strictSame([...delays, ...time.pending()], [5, 10, 20, 5]);
});

t.test("a thousand faults do not make the delay longer than 1000 s", async (t) => {
  const time = stoppedClock();
  const queue = createWorkQueue({ workers: 1, clock: time.clock, work: async () => ({ kind: "retry" }) });
  queue.add("a");
  for (let step = 0; step < 1_000; step += 1) {
    await queue.idle();
    time.advance(time.pending()[0] ?? 0);
  }
  await queue.idle();
  t.strictSame(time.pending(), [1_000_000]);
});

t.test("of several delays for one key the shortest counts", async (t) => {
  const time = stoppedClock();
  const { started, work } = heldWork();
  const queue = createWorkQueue({ workers: 1, clock: time.clock, work });
  queue.addAfter("a", 50);
  queue.addAfter("a", 20);
  queue.addAfter("a", 90);
  t.strictSame(time.pending(), [20]);
  time.advance(20);
  t.strictSame(started, ["a"]);
  t.strictSame(time.pending(), []);
});

t.test("a closed queue drops what waits and waits for what runs", async (t) => {
  const time = stoppedClock();
  const { started, work, end } = heldWork();
  const queue = createWorkQueue({ workers: 1, clock: time.clock, work });
  for (const key of ["a", "b"]) queue.add(key);
  queue.addAfter("c", 10);
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  queue.add("d");
  await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(closed, false);
  await end("a");
  await closing;
  time.advance(10);
  t.strictSame(started, ["a"]);
});
