// SPDX-License-Identifier: Apache-2.0
// Tests what is between callers and the child: shared calls, the bounded queue, fresh reads that timed out, and deadlines.
import t from "tap";
import { createStallLimits } from "../../../../server/agent/pkcs11/parent/child-watch.ts";
import {
  createCoalescedCalls,
  createTimedOutReads,
} from "../../../../server/agent/pkcs11/parent/secret-reads.ts";
import { createBoundedQueue } from "../../../../server/queue.ts";
import { fakeClock } from "../../../doubles/clock.ts";

t.test("coalesced calls", async (t) => {
  const clock = fakeClock();
  const coalesced = createCoalescedCalls<string>(clock);
  const made: { resolve: (answer: string) => void; signal: AbortSignal }[] = [];
  const ask = (key: string | undefined, deadlineMs = 100, signal?: AbortSignal): Promise<string> =>
    coalesced({
      key,
      start: (abandoned) => {
        const { promise, resolve } = Promise.withResolvers<string>();
        made.push({ resolve, signal: abandoned });
        return promise;
      },
      deadlineMs,
      late: () => "late",
      signal,
    });

  const [first, second] = [ask("a"), ask("a")];
  t.equal(made.length, 1, "identical calls are made once");
  made[0]?.resolve("answer");
  t.same(await Promise.all([first, second]), ["answer", "answer"], "and all are answered");
  await clock.pass(0);
  const third = ask("a");
  t.equal(made.length, 2, "a call after the answer is made again");
  const other = ask("b");
  t.equal(made.length, 3, "another key is another call");

  await clock.pass(60);
  const sharedLater = ask("a");
  await clock.pass(40);
  t.equal(await third, "late", "a caller's deadline counts from its own asking");
  t.notOk(made[1]?.signal.aborted, "the call goes on for the one who came later");
  made[1]?.resolve("in time");
  t.equal(await sharedLater, "in time");
  t.equal(await other, "late");
  t.ok(made[2]?.signal.aborted, "a call that nobody waits for is abandoned");
  void ask("b");
  t.equal(made.length, 4, "and not shared any more");

  const gone = new AbortController();
  const left = ask("c", 100, gone.signal);
  gone.abort();
  t.equal(await left, "late", "a caller that hangs up is not waited for");
  t.ok(made[4]?.signal.aborted);
  void ask(undefined);
  void ask(undefined);
  t.equal(made.length, 7, "calls without a key are never shared");
});

t.test("a lane makes one call at a time and is bounded", async (t) => {
  const running: ((result: string) => void)[] = [];
  const lengths: number[] = [];
  const lane = createBoundedQueue<string, string>(
    2,
    () => new Promise((resolve) => running.push(resolve)),
    () => lengths.push(lane.length),
  );
  const signal = new AbortController().signal;
  const gone = new AbortController();
  const first = lane.submit("1", signal);
  const second = lane.submit("2", gone.signal);
  const third = lane.submit("3", signal);
  t.equal(lane.submit("4", signal), undefined, "a full lane refuses");
  t.equal(running.length, 1, "one runs");
  t.equal(lane.length, 3);
  gone.abort();
  running[0]?.("one");
  t.equal(await first, "one");
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(running.length, 2, "then the next whose caller is still there");
  running[1]?.("three");
  t.equal(await third, "three");
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(lane.length, 0);
  t.equal(lengths.at(-1), 0, "the length is reported down to nothing");
  void second;
});

t.test("fresh reads that timed out", async (t) => {
  const timedOut = createTimedOutReads(2);
  t.equal(timedOut.since("a", 5), 5, "without one, now counts");
  timedOut.add("a", 5, 60);
  timedOut.add("a", 50, 1_000);
  t.equal(timedOut.since("a", 1_000), 5, "the first ask counts as long as repeats come in time");
  t.equal(timedOut.since("a", 1_001), 1_001, "one that comes later is a new ask");
  timedOut.add("a", 1_002, 2_000);
  t.equal(timedOut.since("a", 1_500), 1_002, "and is remembered anew");
  timedOut.add("b", 10, 1_000);
  timedOut.add("c", 20, 1_000);
  t.equal(timedOut.since("a", 100), 100, "the oldest is dropped when there are too many");
  t.equal(timedOut.since("b", 100), 10);
  timedOut.answered("b");
  t.equal(timedOut.since("b", 100), 100, "one that was answered is forgotten");
});

t.test("how long a starting child may be silent", async (t) => {
  const limits = createStallLimits(10_000);
  t.equal(limits.limit("attach"), 10_000, "at first, the timeout");
  limits.stalled("attach");
  t.equal(limits.limit("attach"), 20_000, "then twice as long, since a first attach may be slow");
  for (let n = 0; n < 10; n += 1) limits.stalled("attach");
  t.equal(limits.limit("attach"), 120_000, "but not for ever");
  limits.completed("attach", 20);
  t.equal(limits.limit("attach"), 1_000, "a second, for what was quick before");
  limits.stalled("attach");
  t.equal(limits.limit("attach"), 1_000, "and no longer after it stalled");
  limits.completed("attach", 2_000);
  t.equal(limits.limit("attach"), 20_000, "ten times what it took");
  t.equal(createStallLimits(600).limit("login"), 600);
});
