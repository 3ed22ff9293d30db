// SPDX-License-Identifier: Apache-2.0
// Changes the PIN of the attached token for a caller who knows the current one.
import type { Answer } from "../answers.ts";
import { ckrName, isUnfitPin } from "../ckr.ts";
import { changePin, pinDigest, refusalOf } from "./login.ts";
import type { Attached } from "./session.ts";

type PinAnswer = Extract<Answer, { kind: "pin" }>;

const refusedWith = (value: number): string =>
  isUnfitPin(value)
    ? `the token does not take the new PIN: C_SetPIN returned ${ckrName(value)}; tokens ask for a length, often 6 to 16 digits`
    : `the token does not let its PIN be changed: C_SetPIN returned ${ckrName(value)}`;

/**
 * Changes the PIN, if `current` is the one that this process has logged in with. What the token refuses is an answer. Where both are
 * the same the token is not asked: it has that PIN.
 * @throws StartFault where the token finds `current` wrong after all, CkrError where the module failed
 */
export const changePinOf = async (attached: Attached, current: string, next: string): Promise<PinAnswer> => {
  const { guarded, pin } = attached;
  const locked = refusalOf(guarded);
  if (locked !== undefined) return { kind: "pin", message: locked, outcome: "locked" };
  if (pin === undefined || pinDigest(guarded.key, current) !== pin) {
    return { kind: "pin", message: "", outcome: "mismatch" };
  }
  if (current === next) return { kind: "pin", message: "", outcome: "changed" };
  const refused = await changePin(guarded, current, next);
  if (refused !== undefined) return { kind: "pin", message: refusedWith(refused), outcome: "refused" };
  attached.pin = pinDigest(guarded.key, next);
  const file = attached.pinFile.replacedBy(next)?.file;
  return { kind: "pin", message: "", outcome: "changed", ...(file !== undefined && { file }) };
};
