// SPDX-License-Identifier: Apache-2.0
// Decides what follows from a failed PKCS#11 call: the child that made it ends, and its caller gets an error code.
import { type Unavailable, unavailable } from "../../store.ts";
import type { Answer } from "../answers.ts";
import type { Operation } from "../messages.ts";

export type FaultAnswer = Extract<Answer, { kind: "fault" }>;

/** `reason`: why the child ends, which all its other callers are told. `told`: what the caller of the failed call is. */
export type ChildFault = { reason: Unavailable; told: Unavailable };

/**
 * After a fault nobody knows what state the module is in, so that the child ends whatever it was asked for. A change of the PIN
 * is no exception, although the next child has to log in, which is a try where another program has changed the PIN: the call
 * that failed was a try as well, of which the token has said nothing, and only a log-in settles which PIN it has now. The PIN
 * guard counts both. What the token refuses with a reason (`refused`, `mismatch`, `locked` of a `pin` answer: the new PIN does
 * not fit, or PINs can't be changed here) is no fault: the session is as good as before, and the child goes on. Nor is a PIN in
 * use that the token finds wrong: that child ends as one does whose log-in is refused, and the guard has no other try it.
 */
export const childFaultOf = ({ type }: Pick<Operation, "type">, { call, ckr }: FaultAnswer): ChildFault => {
  const what = type === "refresh" ? "the token could not be listed" : "the token failed";
  const reason = unavailable("TOKEN_UNAVAILABLE", `${what}: ${call} returned ${ckr}`);
  return { reason, told: toldOf(type) ?? reason };
};

/** Where the caller has to do something about it that another one has not. */
const toldOf = (type: Operation["type"]): Unavailable | undefined => {
  switch (type) {
    case "setPin":
      return unavailable(
        "TOKEN_UNAVAILABLE",
        "the token failed while its PIN was changed; try both PINs with care",
      );
    case "repair":
      return unavailable("TOKEN_UNAVAILABLE", "the token failed while it was repaired; run it again", 1);
    default:
      return undefined;
  }
};
