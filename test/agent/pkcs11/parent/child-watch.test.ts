// SPDX-License-Identifier: Apache-2.0
// Tests what the parent tracks of one child: its calls, its start, its try of a PIN, and the end after a fault.
import t from "tap";
import type { LoginOutcome, Operation, Stage } from "../../../../server/agent/pkcs11/messages.ts";
import {
  type CallAnswer,
  childFaultOf,
  PendingCalls,
  StartWatch,
} from "../../../../server/agent/pkcs11/parent/child-watch.ts";
import { LoginTry } from "../../../../server/agent/pkcs11/pin-guard.ts";
import { unavailable } from "../../../../server/agent/store.ts";
import { fakeClock } from "../../../doubles/clock.ts";

const READ: Operation = { type: "read", path: "secrets/a/b" };
const REFRESH: Operation = { type: "refresh" };
const RECOVER: Operation = { type: "recover" };

t.test("calls of a child", async (t) => {
  const clock = fakeClock();
  const late: string[] = [];
  const calls = new PendingCalls({ clock, timeoutMs: 100, late: ({ type }) => late.push(type) });
  const answers: CallAnswer[] = [];
  const add = (operation: Operation): number =>
    calls.add({ operation, resolve: (answer) => answers.push(answer) });

  const first = add(READ);
  add(REFRESH);
  t.equal(calls.take(first)?.operation, READ);
  t.equal(calls.take(first), undefined, "a second answer is nobody's");
  t.equal(calls.size, 1);
  add(READ);
  await clock.pass(60);
  calls.renew();
  await clock.pass(60);
  t.same(late, ["read"], "a sign of life is one of the longer work alone");
  await clock.pass(60);
  t.same(late, ["read", "refresh"], "which has its time again, once");

  late.length = 0;
  add(RECOVER);
  add(READ);
  await clock.pass(60);
  calls.renew();
  await clock.pass(60);
  t.same(late, [], "a read that waits for a write has its time again, too");
  const reason = unavailable("TIMEOUT", "over");
  const pending = calls.size;
  calls.end(reason);
  t.same(answers, Array(pending).fill(reason), "the end answers all");
  await clock.pass(1_000);
  t.same(late, [], "and nothing is late after it");
});

t.test("the start of a child, stage by stage", async (t) => {
  const clock = fakeClock();
  const stuck: Stage[] = [];
  const completed: [Stage, number][] = [];
  const limits = {
    limit: (stage: Stage) => (stage === "login" ? 50 : 100),
    completed: (stage: Stage, ms: number) => completed.push([stage, ms]),
    stalled: (stage: Stage) => stuck.push(stage),
  };
  const watch = new StartWatch({ clock, limits, stuck: (stage) => stuck.push(stage) });
  await clock.pass(90);
  watch.passed("boot");
  await clock.pass(90);
  watch.passed("attach");
  await clock.pass(40);
  watch.passed("login");
  await clock.pass(90);
  watch.passed("load");
  await clock.pass(90);
  watch.ready();
  await clock.pass(1_000);
  t.same(stuck, [], "a child that goes on is never stuck");
  t.same(completed, [
    ["boot", 90],
    ["attach", 90],
    ["login", 40],
    ["load", 90],
    ["load", 90],
  ]);

  const slow = new StartWatch({ clock, limits, stuck: (stage) => stuck.push(stage) });
  slow.passed("attach");
  await clock.pass(50);
  t.same(stuck, ["login", "login"], "the limits are told of a stall, and then its owner");
  const stopped = new StartWatch({ clock, limits, stuck: (stage) => stuck.push(stage) });
  stopped.stop();
  await clock.pass(1_000);
  t.equal(stuck.length, 2);
});

t.test("a try of a PIN is told to the guard once", async (t) => {
  const ended: LoginOutcome[] = [];
  let refusal: "busy" | undefined = "busy";
  const guard = {
    begin: () => refusal,
    ended: (outcome: LoginOutcome) => ended.push(outcome),
  };
  const login = new LoginTry(guard);
  const begin = () =>
    login.begin({ token: "t", pin: "p" }, { locked: false, finalTry: false, countLow: false });
  t.equal(begin(), "busy");
  login.end("unclear");
  t.same(ended, [], "one that was refused has not begun");
  await login.settled();
  refusal = undefined;
  t.equal(begin(), undefined);
  let settled = false;
  void login.settled().then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(settled);
  login.end("accepted");
  login.end("unclear");
  await login.settled();
  t.same(ended, ["accepted"]);
  t.ok(settled);
});

t.test("a fault ends the child with what the module returned, and tells its caller what to do", async (t) => {
  const fault = { kind: "fault", ckr: "CKR_DEVICE_ERROR", call: "C_X" } as const;
  const of = (type: Operation["type"]) => {
    const { reason, told } = childFaultOf({ type }, fault);
    t.equal(reason.code, "TOKEN_UNAVAILABLE");
    return [reason.message, told.message];
  };
  const failed = "the token failed: C_X returned CKR_DEVICE_ERROR";
  t.same(of("read"), [failed, failed]);
  t.same(of("change"), [failed, failed]);
  const notListed = "the token could not be listed: C_X returned CKR_DEVICE_ERROR";
  t.same(of("refresh"), [notListed, notListed]);
  t.same(of("repair"), [failed, "the token failed while it was repaired; run it again"]);
  t.same(of("setPin"), [failed, "the token failed while its PIN was changed; try both PINs with care"]);
});
