// SPDX-License-Identifier: Apache-2.0
// Changes the token's PIN through a child process, and returns a result of the store.
import { type PinResult, type Unavailable, unavailable } from "../../store.ts";
import type { ReplacedPin } from "../messages.ts";
import type { PinGuard } from "../pin-guard.ts";
import { OUT_OF_TURN } from "./child-watch.ts";
import type { TokenChild } from "./token-child.ts";

/**
 * Has `child` change the PIN, if it may still be compared. It is the child that tells the PIN guard of tries. `replaced` is told what
 * the next child has to log in with while the PIN file is as it was.
 */
export const changePinThrough = async (
  child: TokenChild | Unavailable,
  guard: PinGuard,
  current: string,
  next: string,
  replaced: (pin: ReplacedPin) => void = () => undefined,
): Promise<PinResult> => {
  if ("kind" in child) return child;
  const retryAfterSeconds = guard.comparesAfterSeconds();
  if (retryAfterSeconds > 0) return { kind: "withheld", retryAfterSeconds };
  const { answer } = await child.call({ type: "setPin", current, next });
  if (answer.kind === "unavailable") return answer;
  if (answer.kind !== "pin") return OUT_OF_TURN;
  if (answer.outcome === "mismatch") guard.mismatched();
  if (answer.file !== undefined) replaced({ file: answer.file, pin: next });
  if (answer.outcome === "locked") return unavailable("PIN_LOCKED", answer.message, 60);
  return answer.outcome === "refused"
    ? { kind: "refused", message: answer.message }
    : { kind: answer.outcome };
};
