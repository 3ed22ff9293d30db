// SPDX-License-Identifier: Apache-2.0
// Changes through children that a test answers for: their turns, their confirmation, their tries, and a repair.
import t from "tap";
import type { Operation } from "../../../../server/agent/pkcs11/messages.ts";
import { ChangeTurns } from "../../../../server/agent/pkcs11/parent/change-turns.ts";
import { rewriteDamaged, TokenChanges } from "../../../../server/agent/pkcs11/parent/changes.ts";
import type { CallAnswer } from "../../../../server/agent/pkcs11/parent/child-watch.ts";
import { type Begun, WriteConfirmation } from "../../../../server/agent/pkcs11/parent/write-confirmation.ts";
import { WriteLessons, WriteLimits } from "../../../../server/agent/pkcs11/parent/write-limits.ts";
import { type ChangeResult, unavailable } from "../../../../server/agent/store.ts";
import type { RepairResult } from "../../../../server/agent-api/schema.ts";
import { FakeChild, viewOf } from "../../../doubles/child.ts";
import { fakeClock } from "../../../doubles/clock.ts";

const PATH = "secrets/a/db";
const GONE = unavailable("TOKEN_UNAVAILABLE", "the token failed");
const WRITTEN: Extract<ChangeResult, { kind: "written" }> = {
  kind: "written",
  outcome: "created",
  before: null,
  checksum: "sha256:1",
  version: 1,
  keys: ["a"],
};
const MAKING_FAILED = { ckr: 0x31, call: "C_CreateObject", bytes: 10, objects: 3 };
const BEGUN: Begun = {
  kind: "begun",
  begun: { journal: false, make: ["01"], remove: ["02"] },
  result: WRITTEN,
  largestBytes: 10,
  version: 1,
};

t.test("changes have their turns", async (t) => {
  const clock = fakeClock();
  let told = 0;
  const turns = new ChangeTurns({
    clock,
    waitMs: 100,
    changed: () => {
      told += 1;
    },
  });
  const first = Promise.withResolvers<string>();
  const done = turns.take(() => first.promise);
  let begun = false;
  const second = turns.take(async () => {
    begun = true;
  });
  t.equal(turns.length, 2);
  await clock.pass(100);
  t.match(await second, { code: "TIMEOUT", message: /busy with other writes/ });
  const last = turns.take(async () => "last");
  first.resolve("first");
  t.equal(await done, "first", "the limit is one of waiting, and not of the work");
  t.equal(await last, "last");
  t.notOk(begun, "what was given up is not done later");

  const slow = Promise.withResolvers<void>();
  void turns.take(() => slow.promise);
  const waiting = Array.from({ length: 100 }, () => turns.take(async () => undefined));
  t.match(await turns.take(async () => undefined), { code: "TIMEOUT", message: /too many writes/ });
  slow.resolve();
  await Promise.all(waiting);
  await clock.pass(0);
  t.equal(turns.length, 0);
  t.ok(told > 0);
});

/** A child that answers each type of operation so. */
const childWith = (answers: Partial<Record<Operation["type"], CallAnswer>>, view = viewOf("cached")) => {
  const child = new FakeChild(0);
  child.ready(view);
  child.answer = ({ type }) => answers[type] ?? GONE;
  return child;
};

const looked = (shown: boolean, wanted: boolean): CallAnswer => ({
  kind: "looked",
  shown,
  wanted,
  objects: 4,
});
const TIDIED: CallAnswer = { kind: "tidied" };
const UNDONE: CallAnswer = { kind: "undone" };
const full = { ...viewOf("cached"), shown: { objects: 128, limit: 128 } };
const failed: Begun = { ...BEGUN, failed: MAKING_FAILED };

type Row = {
  what: string;
  begun?: Begun;
  tried?: boolean;
  reader?: FakeChild;
  undo?: CallAnswer;
  result: Partial<ChangeResult> | "again";
  asked?: string[];
};
const rows: Row[] = [
  {
    what: "a write that another child sees is in force",
    reader: childWith({ look: looked(true, true), tidy: TIDIED }),
    result: WRITTEN,
    asked: ["look", "tidy"],
  },
  {
    what: "one that it sees beside another program's is uncertain, and nothing is removed",
    reader: childWith({ look: looked(true, false) }),
    result: { kind: "uncertain" },
    asked: ["look"],
  },
  { what: "nobody who looks", result: { kind: "uncertain" } },
  { what: "a look that fails", reader: childWith({}), result: { kind: "uncertain" } },
  {
    what: "one that it does not see is taken back",
    reader: childWith({ look: looked(false, false), tidy: TIDIED }),
    undo: UNDONE,
    result: { kind: "refused", code: "WRITE_NOT_SHOWN" },
  },
  {
    what: "unless that can't be done",
    reader: childWith({ look: looked(false, false), tidy: TIDIED }),
    undo: GONE,
    result: { kind: "uncertain" },
  },
  {
    what: "what the module may hide is uncertain",
    reader: childWith({ look: looked(false, false), tidy: TIDIED }, full),
    result: { kind: "uncertain" },
  },
  {
    what: "a refusal by the token is tried again",
    begun: failed,
    reader: childWith({ look: looked(false, false), tidy: TIDIED }),
    result: "again",
  },
  {
    what: "one that comes twice means that there is no room",
    begun: failed,
    tried: true,
    reader: childWith({ look: looked(false, false), tidy: TIDIED }),
    result: { kind: "refused", code: "TOKEN_FULL" },
  },
  {
    what: "or that the object was too large",
    begun: { ...failed, failed: { ...MAKING_FAILED, bytes: 4_096 } },
    tried: true,
    reader: childWith({ look: looked(false, false), tidy: TIDIED }),
    result: "again",
  },
];

t.test("what is begun is confirmed by another child", async (t) => {
  for (const { what, begun = BEGUN, tried = false, reader, undo = GONE, result, asked } of rows) {
    const confirmation = new WriteConfirmation({
      supervisor: {
        refreshedSince: async () => (reader === undefined ? GONE : undefined),
        serving: () => reader,
      },
      clock: { now: () => 0 },
      lessons: new WriteLessons(new WriteLimits({}, { now: () => 0 })),
    });
    const writer = childWith({ undo });
    const got = await confirmation.confirm({ path: PATH, writer, begun, tried });
    t.match(got, result, what);
    if (asked !== undefined) t.same(reader?.operations, asked);
  }
});

t.test("lessons", async (t) => {
  const lessons = new WriteLessons(new WriteLimits({}, { now: () => 0 }));
  t.match(lessons.forNext(PATH, undefined), { versionFloor: 0, limits: { objects: null } });
  const refusal = { kind: "refused", code: "WRITE_NOT_SHOWN", message: "not shown" } as const;
  const learned = { objects: 7, bytes: 10 };
  t.same(lessons.refused(PATH, { ...refusal, version: 3, learned }), refusal);
  lessons.refused(PATH, { ...refusal, version: 2 });
  t.match(lessons.forNext(PATH, undefined), { versionFloor: 3, limits: { objects: { limit: 7 } } });
  t.match(lessons.forNext("secrets/a/other", undefined), { versionFloor: 0 });
  lessons.completed(PATH);
  t.match(lessons.forNext(PATH, undefined), { versionFloor: 0 });
});

/** Changes through one child, until `isGone`; `refreshed` counts the views that were asked for, `acquired` children. */
const changing = (child: FakeChild, isGone = () => false) => {
  const clock = fakeClock();
  const counts = { refreshed: 0, acquired: 0, recovered: [] as string[] };
  const changes = new TokenChanges({
    supervisor: {
      acquire: async () => {
        counts.acquired += 1;
        return isGone() ? GONE : child;
      },
      serving: () => (isGone() ? undefined : child),
      refreshedSince: async () => {
        counts.refreshed += 1;
        return undefined;
      },
      whileNoneLoads: (work) => work(),
    },
    clock,
    writable: true,
    layout: "packed",
    limits: new WriteLimits({}, clock),
    waitMs: 1_000,
    timestamp: () => "2026-01-01T00:00:00Z",
    changed: () => undefined,
    recovered: (paths) => counts.recovered.push(...paths),
  });
  return { changes, counts };
};
const put = { type: "put", data: new Map([["a", Buffer.from("1")]]) } as const;

t.test("a change starts over where the view was out of date, three times", async (t) => {
  const child = childWith({ change: { kind: "stale" } });
  const { changes, counts } = changing(child);
  const restless = await changes.change(PATH, put, {});
  t.match(restless, { kind: "unavailable", message: /kept changing; nothing was written/ });
  t.same(child.operations, ["change", "change", "change"]);
  t.equal(counts.refreshed, 3);
  t.equal(child.held, 0, "nothing keeps the child from being replaced");
});

t.test("of many changes those are not tried that come after the token has gone", async (t) => {
  const child = childWith({ change: { kind: "absent" } });
  const { changes, counts } = changing(child, () => child.operations.length === 2);
  const asked = ["a", "b", "c", "d", "e"].map((path) => ({ path, change: put, precondition: {} }));
  t.match(await changes.changeAll(asked), [
    { kind: "absent" },
    { kind: "absent" },
    GONE,
    { ...GONE, message: `not tried: ${GONE.message}` },
    { ...GONE, message: `not tried: ${GONE.message}` },
  ]);
  t.equal(counts.acquired, 4, "one for the batch, and one for each that was tried, the last in vain");
});

t.test("each answer of a child is a result", async (t) => {
  const table: [answer: CallAnswer, result: object][] = [
    [WRITTEN, WRITTEN],
    [{ kind: "key-absent" }, { kind: "key-absent" }],
    [
      { kind: "protected", ckr: "CKR_X" },
      { code: "TOKEN_UNAVAILABLE", message: /write-protected .*CKR_X/ },
    ],
    [
      { kind: "invalid", message: "no" },
      { code: "STORAGE_INVALID", message: "no" },
    ],
    [GONE, { kind: "uncertain" }],
    [TIDIED, { kind: "uncertain" }],
  ];
  for (const [answer, result] of table) {
    const { changes } = changing(childWith({ change: answer }));
    t.match(await changes.change(PATH, put, {}), result, answer.kind);
  }
});

t.test("what cut writes have left is settled where there is something", async (t) => {
  const child = childWith({ recover: { kind: "recovered", paths: [PATH] } });
  const { changes, counts } = changing(child);
  t.equal(await changes.refresh(0), undefined);
  t.same(child.operations, []);
  child.ready();
  child.view = { ...viewOf("live"), unsettled: 1 };
  t.equal(await changes.refresh(0), undefined);
  t.same(child.operations, ["recover"]);
  t.same(counts.recovered, [PATH]);
});

t.test("secrets with damaged names are written anew", async (t) => {
  const found: RepairResult[] = [
    { label: "a", problem: "leftover", outcome: "repaired" },
    { label: "b", problem: "damaged-name", outcome: "would-repair" },
    { label: "c", problem: "damaged-name", outcome: "would-repair" },
    { label: "d", problem: "damaged-name", outcome: "would-repair" },
  ];
  const asked: string[] = [];
  const results = await rewriteDamaged(found, async (path) => {
    asked.push(path);
    if (path === "b") return WRITTEN;
    return path === "c" ? { kind: "absent" } : GONE;
  });
  t.same(asked, ["b", "c", "d"]);
  t.match(results, [
    { label: "a", outcome: "repaired" },
    { label: "b", outcome: "repaired" },
    { label: "c", outcome: "failed", message: "not written anew: absent" },
    { label: "d", outcome: "failed", message: `not written anew: ${GONE.message}` },
  ]);
});
