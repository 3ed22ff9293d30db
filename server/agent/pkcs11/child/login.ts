// SPDX-License-Identifier: Apache-2.0
// Calls C_Login and C_SetPIN, alone in the code, each only where the agent's PIN guard allows it. Runs in the child.
import { createHmac } from "node:crypto";
import { type Session, type Slot, type Token, TokenFlag, UserType } from "graphene-pk11";
import { ckrName, isPinChangeRefused, isTokenGone, loginOutcome } from "../ckr.ts";
import type { LoginFlags, LoginOutcome, PinRefusal } from "../messages.ts";
import { whyNotTried } from "../pin-guard.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { StartFault } from "./start-fault.ts";

/** The agent's guard as a child sees it. */
export type PinGate = {
  /** Why this PIN may not be tried now, if so; where it may, `ended` must follow. */
  ask(intent: { token: string; pin: string; flags: LoginFlags }): Promise<PinRefusal | undefined>;
  ended(outcome: LoginOutcome, replacedBy?: string): void;
};

/** A token whose PIN may have to be tried: `key` is that of the HMAC by which PINs are compared. */
export type GuardedToken = { slot: Slot; session: Session; gate: PinGate; key: Uint8Array };

const UNTIL =
  "it is not tried again until the content of PKCS11_PIN_FILE changes, another token is there or the agent is restarted";

/** Each reason as a code of the agent's API, and in words. */
const REFUSALS: Readonly<Record<PinRefusal, readonly [code: StartFault["failure"]["code"], text: string]>> = {
  incorrect: [
    "PIN_INCORRECT",
    "the token refused the PIN; it is not tried again until the content of PKCS11_PIN_FILE changes. Put the right PIN there",
  ],
  locked: [
    "PIN_LOCKED",
    "the token's user PIN is locked; unblock it with the SO PIN (pkcs11-tool --init-pin), then put the new PIN into PKCS11_PIN_FILE",
  ],
  "last-try": [
    "PIN_LOCKED",
    "the token says that one PIN try is left, and the agent never uses the last one. Log in once by hand with the right PIN (pkcs11-tool --login --list-objects), which resets the count",
  ],
  spent: [
    "PIN_INCORRECT",
    `log-ins with this PIN failed, and the token does not say whether the PIN was wrong; ${UNTIL}. Make sure that the PIN is right first: with a wrong one each try may be the last`,
  ],
  unasked: [
    "TOKEN_UNAVAILABLE",
    "the last log-in failed, and the token does not say whether the PIN was wrong; the PIN is tried again when the agent is asked for something",
  ],
  busy: ["TOKEN_UNAVAILABLE", "another process of the agent is logging in to the token"],
  "too-many": [
    "PIN_INCORRECT",
    "too many PINs were refused for the agent to remember one more; put the right one into PKCS11_PIN_FILE and restart the agent",
  ],
};

const refused = (reason: PinRefusal): StartFault => new StartFault(...REFUSALS[reason]);

/** What a PIN is known by outside of this process. */
export const pinDigest = (key: Uint8Array, pin: string): string =>
  createHmac("sha256", key).update(pin).digest("hex");

/** What tells one token from another. */
const identityOf = ({ manufacturerID, model, serialNumber, label }: Token): string =>
  JSON.stringify([manufacturerID, model, serialNumber, label]);

const flagsOf = ({ flags }: Token): LoginFlags => ({
  locked: (flags & TokenFlag.USER_PIN_LOCKED) !== 0,
  finalTry: (flags & TokenFlag.USER_PIN_FINAL_TRY) !== 0,
  countLow: (flags & TokenFlag.USER_PIN_COUNT_LOW) !== 0,
});

/** The same of the SO PIN. */
const officerFlagsOf = ({ flags }: Token): LoginFlags => ({
  locked: (flags & TokenFlag.SO_PIN_LOCKED) !== 0,
  finalTry: (flags & TokenFlag.SO_PIN_FINAL_TRY) !== 0,
  countLow: (flags & TokenFlag.SO_PIN_COUNT_LOW) !== 0,
});

/** Why no PIN may be tried on the token, whichever it is, in words; undefined where one may. */
export const refusalOf = ({ slot }: GuardedToken): string | undefined => {
  const flags = flagsOf(callModule("C_GetTokenInfo", () => slot.getToken()));
  const reason = whyNotTried({ kind: "untried" }, flags);
  return reason && REFUSALS[reason][1];
};

type Try = {
  /** The module's function, and the call of it. */
  name: "C_Login" | "C_SetPIN";
  call: () => void;
  outcomeOf: (value: number) => LoginOutcome;
  replacedBy?: string;
  /** Whose PIN it is; the user's unless given. Each has tries of its own. */
  role?: "security officer";
};

/** Makes the call that has the token compare `pin`, if the guard allows it, and tells the guard how it ended. */
const tryPin = async (
  { gate, key }: GuardedToken,
  token: Token,
  pin: string,
  { name, call, outcomeOf, replacedBy, role }: Try,
): Promise<void> => {
  const intent = {
    token: pinDigest(key, `${role ?? ""}${identityOf(token)}`),
    pin: pinDigest(key, pin),
    flags: role === undefined ? flagsOf(token) : officerFlagsOf(token),
  };
  const refusal = await gate.ask(intent);
  if (refusal !== undefined) throw role === undefined ? refused(refusal) : new OfficerRefused(refusal);
  try {
    callModule(name, call);
  } catch (error) {
    // Anything but the module's own answer is a bug: this process dies of it, and the guard takes the try for unclear.
    if (!(error instanceof CkrError)) throw error;
    const outcome = outcomeOf(error.value);
    gate.ended(outcome);
    if (outcome === "incorrect" || outcome === "locked") {
      throw role === undefined ? refused(outcome) : new OfficerRefused(outcome);
    }
    throw error;
  }
  gate.ended("accepted", replacedBy);
};

/** Why the SO PIN was not tried, or that the token has refused it. */
export class OfficerRefused extends Error {
  readonly reason: PinRefusal;
  constructor(reason: PinRefusal) {
    super(`the SO PIN: ${reason}`);
    this.reason = reason;
  }
}

/**
 * Logs in as the token's security officer, in a session that may write. Its tries are guarded as those of the user PIN, and
 * counted apart.
 * @throws OfficerRefused, or CkrError where the module failed
 */
export const logInAsOfficer = (guarded: GuardedToken, soPin: string): Promise<void> => {
  const token = callModule("C_GetTokenInfo", () => guarded.slot.getToken());
  return tryPin(guarded, token, soPin, {
    name: "C_Login",
    call: () => guarded.session.login(soPin, UserType.SO),
    outcomeOf: loginOutcome,
    role: "security officer",
  });
};

/**
 * Logs in where the token asks for it. Answers the HMAC of the PIN that the token has accepted; undefined where it compared
 * none. `readPin` is not called where no PIN is needed.
 * @throws StartFault where the PIN may not be tried, or was refused
 */
export const logIn = async (guarded: GuardedToken, readPin: () => string): Promise<string | undefined> => {
  const token = callModule("C_GetTokenInfo", () => guarded.slot.getToken());
  if ((token.flags & TokenFlag.LOGIN_REQUIRED) === 0) return undefined;
  const pin = readPin();
  checkLength(pin, token);
  try {
    const call = (): void => guarded.session.login(pin);
    await tryPin(guarded, token, pin, { name: "C_Login", call, outcomeOf: loginOutcome });
  } catch (error) {
    if (!(error instanceof CkrError) || error.call !== "C_Login") throw error;
    if (loginOutcome(error.value) === "not-compared") return undefined;
    throw unclear(error.value);
  }
  return pinDigest(guarded.key, pin);
};

const unclear = (value: number): StartFault =>
  new StartFault(
    "TOKEN_UNAVAILABLE",
    `the token does not answer: C_Login returned ${ckrName(value)}, which does not say whether the PIN was wrong. It is tried again only when the agent is asked for something, and not a third time in a row`,
    { gone: isTokenGone(value) },
  );

/**
 * A PIN that the token can't have is not tried.
 * @throws StartFault naming the limits
 */
export const checkLength = (pin: string, { minPinLen, maxPinLen }: Token): void => {
  const length = Buffer.byteLength(pin);
  if (maxPinLen < Math.max(1, minPinLen) || (length >= minPinLen && length <= maxPinLen)) return;
  const message = `the PIN of PKCS11_PIN_FILE has ${length} bytes, and the token takes ${minPinLen} to ${maxPinLen}; it was not tried`;
  throw new StartFault("PIN_INCORRECT", message);
};

/** What C_SetPIN's return value says of the current PIN: nothing where the change was refused for another reason. */
const changeOutcome = (value: number): LoginOutcome =>
  isPinChangeRefused(value) ? "not-compared" : loginOutcome(value);

/**
 * Changes the PIN. The token compares the current one, which is a try as any other: another program may have changed it
 * since it was accepted. Answers the return value by which the token refuses the change (isPinChangeRefused), undefined where the
 * new PIN is in force.
 * @throws StartFault where the current PIN may not be tried, or was refused; CkrError where the module failed
 */
export const changePin = async (
  guarded: GuardedToken,
  current: string,
  next: string,
): Promise<number | undefined> => {
  const { session, slot, key } = guarded;
  const token = callModule("C_GetTokenInfo", () => slot.getToken());
  try {
    await tryPin(guarded, token, current, {
      name: "C_SetPIN",
      call: () => session.lib.C_SetPIN(session.handle, current, next),
      outcomeOf: changeOutcome,
      replacedBy: pinDigest(key, next),
    });
  } catch (error) {
    if (!(error instanceof CkrError && error.call === "C_SetPIN" && isPinChangeRefused(error.value))) {
      throw error;
    }
    return error.value;
  }
  return undefined;
};
