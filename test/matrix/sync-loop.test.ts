// SPDX-License-Identifier: Apache-2.0
// Tests the sync loop against a simulated homeserver: how long it waits, what it writes, when it ends.
import t from "tap";
import type { MatrixAnswer, MatrixRequest } from "../../server/matrix/http.ts";
import { RequestFailed } from "../../server/matrix/request-failed.ts";
import { createSyncLoop, type SyncLoop } from "../../server/matrix/sync-loop.ts";
import { retryDelay } from "../../server/time.ts";

const away: MatrixAnswer = { ok: false, kind: "unreachable", what: "refused the connection" };
const good = (next: string): MatrixAnswer => ({ ok: true, status: 200, body: { next_batch: next } });
const limited = (retryAfterMs: number): MatrixAnswer => ({
  ok: false,
  kind: "matrix",
  status: 429,
  errcode: "M_LIMIT_EXCEEDED",
  softLogout: false,
  retryAfterMs,
});

/** A homeserver with these answers, one after another; then it is silent until the request is given up. */
const connect = (
  answers: MatrixAnswer[],
  options: { waitAtMost?: () => number; process?: () => void | Promise<void>; stored?: string } = {},
) => {
  const stored = new Map<string, string>();
  if (options.stored !== undefined) stored.set("token", options.stored);
  const asked: MatrixRequest["query"][] = [];
  const delays: number[] = [];
  const outcomes: string[] = [];
  const written: string[] = [];
  const resumed: boolean[] = [];
  const reconnects: number[] = [];
  const ending = new AbortController();
  let clock = 0;
  let gaveUp = 0;
  let silent = () => {};
  const untilSilent = new Promise<void>((resolve) => {
    silent = resolve;
  });
  const connection: SyncLoop = createSyncLoop({
    requests: {
      request: ({ query, signal }) => {
        asked.push(query);
        clock += 5;
        const answer = answers.shift();
        if (answer !== undefined) return Promise.resolve(answer);
        silent();
        return new Promise((resolve) =>
          signal?.addEventListener("abort", () =>
            resolve({ ok: false, kind: "aborted", what: "was not waited for" }),
          ),
        );
      },
    },
    store: {
      get: (_area, key) => (stored.has(key) ? Buffer.from(stored.get(key) ?? "") : undefined),
      put: (_area, key, value) => void stored.set(key, String(value)),
    },
    process: async (_sync, since) => {
      resumed.push(since !== undefined);
      await options.process?.();
    },
    flush: async (also, when) => {
      also();
      written.push(when);
    },
    ...(options.waitAtMost && { waitAtMost: options.waitAtMost }),
    now: () => clock,
    sleep: async (ms) => void delays.push(ms),
    signal: ending.signal,
    logger: { info() {}, warn() {}, error() {} },
    onSync: (outcome) => outcomes.push(outcome),
    onReconnect: (failures) => reconnects.push(failures),
    onGiveUp: () => {
      gaveUp += 1;
      silent();
    },
  });
  connection.start();
  const syncToken = () => stored.get("token");
  return {
    connection,
    untilSilent,
    asked,
    delays,
    outcomes,
    written,
    resumed,
    reconnects,
    token: syncToken,
    gaveUp: () => gaveUp,
    ending,
  };
};

const s = (...seconds: number[]): number[] => seconds.map((each) => each * 1000);
const toTheEnd = s(1, 2, 4, 8, 16, 32, ...Array<number>(14).fill(60));

const rows: [string, MatrixAnswer[], { delays: number[]; reconnects?: number[]; gaveUp?: number }][] = [
  ["a homeserver that answers is not waited for", [good("1"), good("2")], { delays: [] }],
  ["the waits double up to a minute", Array(8).fill(away), { delays: s(1, 2, 4, 8, 16, 32, 60, 60) }],
  ["after 20 retries it gives up", Array(21).fill(away), { delays: toTheEnd, gaveUp: 1 }],
  [
    "20 failures and a success are no end",
    [...Array(20).fill(away), good("1")],
    { delays: toTheEnd, reconnects: [20] },
  ],
  [
    "a success begins the count anew",
    [away, away, good("1"), away, good("2")],
    { delays: s(1, 2, 1), reconnects: [2, 1] },
  ],
  ["a limit is waited for", [limited(12_345), good("1")], { delays: [12_345], reconnects: [1] }],
  [
    "a limit that is shorter changes nothing",
    [away, limited(500), good("1")],
    { delays: s(1, 2), reconnects: [2] },
  ],
  [
    "an answer of another shape is a failure",
    [{ ok: true, status: 200, body: [] }, good("1")],
    { delays: s(1), reconnects: [1] },
  ],
];
for (const [name, answers, expected] of rows) {
  t.test(name, async (t) => {
    const { connection, untilSilent, delays, reconnects, gaveUp } = connect([...answers]);
    await untilSilent;
    await connection.close();
    t.same({ delays, reconnects, gaveUp: gaveUp() }, { reconnects: [], gaveUp: 0, ...expected });
  });
}

t.test("no limit of a homeserver stops the bot for ever", async (t) => {
  t.equal(retryDelay(0, Number.MAX_SAFE_INTEGER), 3_600_000);
});

t.test("a sync that was not taken in comes again, and its position is not written", async (t) => {
  let tries = 0;
  const written: (string | undefined)[] = [];
  const { connection, untilSilent, asked, outcomes, token, delays } = connect(
    [good("2"), good("2"), good("2"), good("3")],
    {
      stored: "1",
      process() {
        tries += 1;
        written.push(token());
        if (tries === 1) throw new Error("the disk is full");
        if (tries === 2) {
          throw new RequestFailed({ ok: false, kind: "timeout", what: "did not answer in time" });
        }
      },
    },
  );
  await untilSilent;
  t.same(
    asked.map((query) => query?.since),
    ["1", "1", "1", "2", "3"],
  );
  t.same(outcomes, ["inside", "timeout", "ok", "ok"]);
  t.same(delays, s(1, 2));
  t.same(written, ["1", "1", "1", "2"]);
  t.equal(token(), "3");
  await connection.close();
});

t.test("only a sync without a position is not resumed", async (t) => {
  const first = connect([good("1"), good("2")]);
  await first.untilSilent;
  t.same(first.resumed, [false, true]);
  await first.connection.close();
  const second = connect([good("1")], { stored: "0" });
  await second.untilSilent;
  t.same(second.resumed, [true]);
  await second.connection.close();
});

t.test(
  "the disk is waited for with the first position, and where the homeserver forgets what it sent",
  async (t) => {
    const withKeys = { next_batch: "3", to_device: { events: [{ type: "m.room.encrypted" }] } };
    const answers = [good("1"), good("2"), { ...good("3"), body: withKeys }, good("4")];
    const { connection, untilSilent, written } = connect(answers);
    await untilSilent;
    t.same(written, ["now", "soon", "now", "soon"]);
    await connection.close();
  },
);

t.test("it waits for news only while all is well", async (t) => {
  const { connection, untilSilent, asked } = connect([away, good("1"), good("2"), away, good("3")]);
  await untilSilent;
  t.same(
    asked.map((query) => query?.timeout),
    [0, 0, 30_000, 30_000, 0, 30_000],
  );
  await connection.close();
});

t.test("it waits no longer than keys are waited for", async (t) => {
  const { connection, untilSilent, asked } = connect([good("1"), good("2")], { waitAtMost: () => 1234.5 });
  await untilSilent;
  t.same(
    asked.map((query) => query?.timeout),
    [0, 1235, 1235],
  );
  await connection.close();
});

t.test("the last good sync is told by the clock, and failures do not count", async (t) => {
  const { connection, untilSilent } = connect([good("1"), away, away]);
  t.equal(connection.lastGoodSync(), undefined);
  await untilSilent;
  t.equal(connection.lastGoodSync(), 5);
  await connection.close();
});

t.test("closing ends a sync that waits, and tells no failure", async (t) => {
  const { connection, untilSilent, outcomes, gaveUp } = connect([good("1")]);
  await untilSilent;
  await connection.close();
  t.same(outcomes, ["ok"]);
  t.equal(gaveUp(), 0);
});

t.test("closing lets the sync that is taken in be finished and written", async (t) => {
  let finish = () => {};
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let began = () => {};
  const taking = new Promise<void>((resolve) => {
    began = resolve;
  });
  const { connection, token, asked } = connect([good("1"), good("2")], {
    process: () => {
      began();
      return held;
    },
  });
  await taking;
  const closed = connection.close();
  finish();
  await closed;
  t.equal(token(), "1");
  t.equal(asked.length, 1);
});
