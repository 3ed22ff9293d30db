// SPDX-License-Identifier: Apache-2.0
// Tests a change of the PIN with a simulated child: what each answer means to the caller and to the PIN guard.

import { randomInt } from "node:crypto";
import t from "tap";
import type { CallAnswer } from "../../../../server/agent/pkcs11/parent/child-watch.ts";
import { changePinThrough } from "../../../../server/agent/pkcs11/parent/pin-change.ts";
import { PinGuard } from "../../../../server/agent/pkcs11/pin-guard.ts";
import { unavailable } from "../../../../server/agent/store.ts";
import { FakeChild } from "../../../doubles/child.ts";

const GONE = unavailable("TIMEOUT", "the token did not answer a setPin in time");
const pin = (): string => String(randomInt(10_000_000, 99_999_999));

const ends: [answer: CallAnswer, result: object][] = [
  [{ kind: "pin", outcome: "changed", message: "" }, { kind: "changed" }],
  [{ kind: "pin", outcome: "mismatch", message: "" }, { kind: "mismatch" }],
  [
    { kind: "pin", outcome: "refused", message: "too short" },
    { kind: "refused", message: "too short" },
  ],
  [
    { kind: "pin", outcome: "locked", message: "one try is left" },
    unavailable("PIN_LOCKED", "one try is left", 60),
  ],
  [GONE, GONE],
];
for (const [answer, result] of ends) {
  t.test(`a child that answers ${JSON.stringify(answer)}`, async (t) => {
    const child = new FakeChild(0);
    child.answer = () => answer;
    t.same(await changePinThrough(child, new PinGuard(), pin(), pin()), result);
    t.same(child.operations, ["setPin"]);
  });
}

t.test("nothing is compared for an hour after three PINs that were not the one in use", async (t) => {
  let now = 0;
  const guard = new PinGuard(undefined, () => now);
  const child = new FakeChild(0);
  child.answer = () => ({ kind: "pin", outcome: "mismatch", message: "" });
  for (let n = 0; n < 3; n += 1) await changePinThrough(child, guard, pin(), pin());
  now = 600_000;
  t.same(await changePinThrough(child, guard, pin(), pin()), { kind: "withheld", retryAfterSeconds: 3_000 });
  t.equal(child.operations.length, 3, "the child is not asked");
  now = 3_600_000;
  t.same(await changePinThrough(child, guard, pin(), pin()), { kind: "mismatch" });
  t.equal(await changePinThrough(GONE, guard, pin(), pin()), GONE, "nor is one that is not there");
});
