// SPDX-License-Identifier: Apache-2.0
// Reads and lists on their way to a child that a test answers for: made again, from memory, fresh, and too slow.
import t from "tap";
import type { TokenView } from "../../../../server/agent/pkcs11/answers.ts";
import type { CallAnswer } from "../../../../server/agent/pkcs11/parent/child-watch.ts";
import { SecretLists } from "../../../../server/agent/pkcs11/parent/secret-lists.ts";
import { SecretReads, TokenCalls } from "../../../../server/agent/pkcs11/parent/secret-reads.ts";
import { infoOf } from "../../../../server/agent/pkcs11/parent/store.ts";
import { type Unavailable, unavailable } from "../../../../server/agent/store.ts";
import { FakeChild, viewOf } from "../../../doubles/child.ts";
import { fakeClock } from "../../../doubles/clock.ts";

const PATH = "secrets/a/db";
const ABSENT: CallAnswer = { kind: "absent" };
const STALE: CallAnswer = { kind: "stale" };
const FOUND: CallAnswer = {
  kind: "found",
  keys: [["a", Buffer.from("1")]],
  checksum: "sha256:1",
  version: 1,
  layout: "packed",
  metadata: {},
};
const GONE = unavailable("TOKEN_UNAVAILABLE", "the token failed");
const TIMEOUT_MS = 1_000;

/** Reads through one child, whose view becomes new when it is asked for unless `refresh` says otherwise. */
const reading = (
  answers: CallAnswer[],
  view: TokenView = viewOf("live"),
  refresh?: () => Promise<Unavailable | undefined>,
) => {
  const clock = fakeClock();
  const child = new FakeChild(0);
  child.ready(view);
  child.answer = () => answers.shift() ?? GONE;
  const since: number[] = [];
  const supervisor = {
    acquire: async () => child,
    serving: () => child,
    lastLoadMs: () => 2_500,
    refreshedSince: async (asked: number) => {
      since.push(asked);
      if (refresh !== undefined) return refresh();
      child.loadedSince = Math.max(child.loadedSince, asked);
      return undefined;
    },
  };
  let length = 0;
  const calls = new TokenCalls({
    supervisor,
    clock,
    changed: () => {
      length = calls.length;
    },
  });
  const options = { supervisor, calls, clock, timeoutMs: TIMEOUT_MS };
  const [reads, lists] = [new SecretReads(options), new SecretLists(options)];
  const read = (fresh = false) => reads.read({ path: PATH, asked: clock.now() }, fresh, undefined);
  const list = () => lists.list({ prefix: "secrets/", asked: clock.now() }, undefined);
  return { clock, child, since, read, list, length: () => length };
};

t.test("a live module's answers", async (t) => {
  const { clock, child, since, read, length } = reading([FOUND, ABSENT, FOUND, ABSENT, ABSENT]);
  await clock.pass(10);
  const found = { kind: "found", checksum: "sha256:1", data: new Map([["a", Buffer.from("1")]]) };
  t.match(await read(), found);
  t.same(since, [], "what is found stands");
  t.match(await read(), found);
  t.same(since, [10], "what is absent is looked for in a view that is new enough");
  await clock.pass(10);
  t.same(await read(), ABSENT);
  t.same(since, [10, 20]);
  t.equal(child.operations.length, 5);
  await clock.pass(0);
  t.equal(length(), 0);
});

t.test("a token that never stands still", async (t) => {
  const { child, since, read } = reading([STALE, STALE, STALE, STALE]);
  t.match(await read(), { code: "TOKEN_UNAVAILABLE", message: /secrets\/a\/db: the token kept changing/ });
  t.equal(child.operations.length, 4);
  t.equal(since.length, 3);
});

t.test("answers that are none", async (t) => {
  const rows: [answer: CallAnswer, result: object][] = [
    [GONE, GONE],
    [{ kind: "tidied" }, { message: /out of turn/ }],
    [
      { kind: "invalid", message: "two objects" },
      { code: "STORAGE_INVALID", message: "two objects", retryAfterSeconds: 60 },
    ],
  ];
  for (const [answer, result] of rows) {
    const { read } = reading([answer, answer]);
    t.match(await read(), result, answer.kind);
  }
  const { read, child } = reading([ABSENT], viewOf("live"), async () => GONE);
  child.loadedSince = -1;
  t.equal(await read(), GONE, "a view that can't be had");
});

t.test("a module that caches answers from memory", async (t) => {
  const { child, read, list } = reading([], viewOf("cached"));
  t.same(await read(), ABSENT);
  child.secrets.update([{ path: PATH, listed: true, content: FOUND }]);
  t.match(await read(), { kind: "found", checksum: "sha256:1" });
  t.match(await list(), { kind: "listed", secrets: [{ path: PATH }], invalid: [], problems: [] });
  t.same(child.operations, []);
  child.secrets.wipe();
  child.view = { ...viewOf("cached"), shown: { objects: 128, limit: 128 } };
  t.match(await read(), { code: "TOKEN_UNAVAILABLE", message: /128 objects or more/ }, "it may hide it");
});

t.test("lists go through the child of a live module, which has listed the token since", async (t) => {
  const problem = { label: "secrets/x", path: null, problem: "label" } as const;
  const view = { ...viewOf("live"), problems: [problem, { ...problem, label: "other" }] };
  const { clock, child, since, list } = reading(
    [{ kind: "listed", secrets: [], invalid: ["secrets/b"] }, STALE, STALE, STALE, STALE, ABSENT],
    view,
  );
  await clock.pass(10);
  t.same(await list(), { kind: "listed", secrets: [], invalid: ["secrets/b"], problems: [problem] });
  t.same(since, [10]);
  t.same(child.operations, ["list"]);
  t.match(await list(), { message: /secrets\/: the token kept changing/ });
  t.match(await list(), { message: /out of turn/ });
});

t.test("a fresh read that was too slow counts from its first asking", async (t) => {
  const slow = Promise.withResolvers<undefined>();
  const { clock, since, read } = reading([], viewOf("cached"), () => slow.promise);
  await clock.pass(5);
  const first = read(true);
  await clock.pass(TIMEOUT_MS);
  t.match(await first, { code: "TIMEOUT", retryAfterSeconds: 3 }, "after about the time of a load");
  await clock.pass(100);
  const second = read(true);
  t.same(since, [5, 5]);
  slow.resolve(undefined);
  t.same(await second, ABSENT);
  await clock.pass(0);
  const third = read(true);
  t.same(await third, ABSENT);
  t.same(since, [5, 5, 5 + TIMEOUT_MS + 100], "what was answered is settled");
});

t.test("what is told of the token", async (t) => {
  const view: TokenView = { ...viewOf("cached"), unsettled: 3, shown: { objects: 5, limit: 128 } };
  const limits = {
    maxObjectBytes: 4_096,
    objects: { limit: 12, fromBytes: 0, source: "module" },
  } as const;
  const info = infoOf({ module: "m.so", view, viewAgeMs: 1.6, limits, layout: "packed", writable: true });
  t.match(info, { kind: "info", module: "m.so", viewAgeMs: 2, objectLimit: 12, objectLimitSource: "module" });
  for (const inner of ["unsettled", "shown", "problems"]) t.notOk(inner in info, inner);
  t.match(
    infoOf({
      module: "m.so",
      view,
      viewAgeMs: 0,
      limits: { maxObjectBytes: null, objects: null },
      layout: "packed",
      writable: false,
    }),
    { objectLimit: null, objectLimitSource: null, maxObjectBytes: null, writable: false },
  );
});
