// SPDX-License-Identifier: Apache-2.0
// Changing the token's PIN through a child process, as a result of the store.
import { type PinResult, type Unavailable, unavailable } from "../store.ts";
import type { TokenChild } from "./token-child.ts";

/** Has `child` change the PIN. It is the child that tells the PIN guard. */
export const changePinThrough = async (
  child: TokenChild | Unavailable,
  current: string,
  next: string,
): Promise<PinResult> => {
  if ("kind" in child) return child;
  const { answer } = await child.call({ type: "setPin", current, next });
  if (answer.kind === "unavailable") return answer;
  if (answer.kind !== "pin") {
    return unavailable(
      "TOKEN_UNAVAILABLE",
      "the token failed while its PIN was changed; try both PINs with care",
    );
  }
  return answer.outcome === "refused"
    ? { kind: "refused", message: answer.message }
    : { kind: answer.outcome };
};
