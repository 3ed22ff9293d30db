// SPDX-License-Identifier: Apache-2.0
// Opens a logged-in session from a configuration: module, slot, PIN file, log-in. Runs in the child.
import {
  Module,
  type Session,
  SessionFlag,
  type Slot,
  type SlotCollection,
  type Token,
  TokenFlag,
} from "graphene-pk11";
import { parsePin } from "../../../config/pin-line.ts";
import { readChecked } from "../../../config/variables.ts";
import { CKR_CANT_LOCK, CKR_USER_NOT_LOGGED_IN, ckrName, isTokenGone, isWriteProtected } from "../ckr.ts";
import type { Configure, StartFailure } from "../messages.ts";
import { type GuardedToken, logIn, type PinGate } from "./login.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { type ModuleQuirks, quirksOf } from "./module-quirks.ts";
import { StartFault } from "./start-fault.ts";

export type Attached = {
  module: Module;
  slot: Slot;
  session: Session;
  quirks: ModuleQuirks;
  /** Whether public objects of the per-key layout are believed where there is no private one. */
  readsPublic: boolean;
  /**
   * Logs in again, through the same guard: another process may have ended this one's session on the card. Throws as
   * attaching does.
   */
  logInAgain(): Promise<void>;
  /** The slot and the session for whoever has the token compare a PIN. */
  guarded: GuardedToken;
  /** HMAC of the PIN that was accepted; undefined where the token compared none. */
  pin: string | undefined;
};

const trimmed = (padded: string): string => padded.replace(/[\0 ]+$/, "");

/** Loads and initialises the module. A path that is no module is a fault of the configuration. */
const loadModule = (path: string): Module => {
  let module: Module;
  try {
    module = Module.load(path);
  } catch {
    throw new StartFault(
      "TOKEN_UNAVAILABLE",
      `${path} can't be loaded as a PKCS#11 module; check PKCS11_MODULE`,
    );
  }
  initialize(module);
  return module;
};

/** CKF_OS_LOCKING_OK: the module may use the system's locks. */
const OS_LOCKING_OK = { flags: 2 };

/** One thread calls the module, which so needs no locks; p11-kit's client wants to have them all the same. */
const initialize = (module: Module): void => {
  try {
    callModule("C_Initialize", () => module.initialize());
  } catch (error) {
    if (!(error instanceof CkrError && error.value === CKR_CANT_LOCK)) throw error;
    callModule("C_Initialize", () => module.initialize(OS_LOCKING_OK));
  }
};

type PresentToken = { slot: Slot; number: bigint; token: Token };

/** The token in a slot, or undefined where it does not answer: another reader's fault is not ours. */
const presentToken = (slots: SlotCollection, index: number): PresentToken | undefined => {
  try {
    const slot = callModule("C_GetSlotInfo", () => slots.items(index));
    const token = callModule("C_GetTokenInfo", () => slot.getToken());
    const number = Buffer.concat([slot.handle, Buffer.alloc(8)]).readBigUInt64LE();
    return (token.flags & TokenFlag.TOKEN_INITIALIZED) === 0 ? undefined : { slot, number, token };
  } catch (error) {
    if (error instanceof CkrError) return undefined;
    throw error;
  }
};

/** The slots with a token that has been set up, beside its number and its token's label. */
const presentTokens = (module: Module): PresentToken[] => {
  const slots = callModule("C_GetSlotList", () => module.getSlots(true));
  return Array.from({ length: slots.length }, (_, index) => presentToken(slots, index)).filter(
    (present) => present !== undefined,
  );
};

/**
 * Whether the token's label is the one that is asked for. OpenSC appends the name of the PIN to it: `keyswitch (UserPIN)`, cut
 * at 32 characters.
 */
const hasLabel = (token: Token, label: string): boolean =>
  token.label === label || token.label === `${label} (UserPIN)`.slice(0, 32).trimEnd();

const inWords = ({ number, token }: PresentToken): string =>
  `${JSON.stringify(token.label)} (slot ${number}, serial number ${JSON.stringify(token.serialNumber)})`;

/** The one slot that the configuration means. */
const chooseSlot = (module: Module, config: Configure): Slot => {
  const tokens = presentTokens(module);
  const meant = tokens.filter(
    ({ number, token }) =>
      (config.tokenLabel === undefined || hasLabel(token, config.tokenLabel)) &&
      (config.slot === undefined || number === BigInt(config.slot)),
  );
  const [only, ...others] = meant;
  const wanted =
    [
      config.tokenLabel === undefined ? "" : `label ${JSON.stringify(config.tokenLabel)}`,
      config.slot === undefined ? "" : `slot ${config.slot}`,
    ]
      .filter((part) => part !== "")
      .join(" and ") || "any label";
  if (only === undefined) {
    const seen = tokens.map(inWords).join(", ") || "no token";
    const message = `no token with ${wanted} is present; the module shows ${seen}`;
    throw new StartFault("TOKEN_UNAVAILABLE", message, { gone: true });
  }
  if (others.length > 0) {
    throw new StartFault(
      "TOKEN_UNAVAILABLE",
      `${meant.length} tokens have ${wanted}: ${meant.map(inWords).join(", ")}. Name one by its slot, with PKCS11_SLOT in place of PKCS11_TOKEN_LABEL`,
    );
  }
  return only.slot;
};

const PIN_FILE_RULE =
  "Put the PIN there alone, in one line (printf %s PIN > FILE), by scripts/credentials.sh or into the key pin of the Secret; the token was not asked";

/** The PIN in `file`. What can't have been meant as one is never shown to the token. */
const readPin = (file: string): string => {
  const read = readChecked(file);
  const parsed = read.ok ? parsePin(read.bytes) : read;
  if (parsed.ok) return parsed.value;
  throw new StartFault(
    "TOKEN_UNAVAILABLE",
    `the PIN file ${file} (PKCS11_PIN_FILE) ${parsed.message}. ${PIN_FILE_RULE}`,
  );
};

/** A session that may write if `writable`; a token that is write-protected can still be read. */
const openSession = (slot: Slot, writable: boolean): Session => {
  const open = (flags: number): Session => callModule("C_OpenSession", () => slot.open(flags));
  if (!writable) return open(SessionFlag.SERIAL_SESSION);
  try {
    return open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  } catch (error) {
    if (!(error instanceof CkrError && isWriteProtected(error.value))) throw error;
    return open(SessionFlag.SERIAL_SESSION);
  }
};

/** Ends the log-in, if there is one. */
const logOut = (session: Session): void => {
  try {
    callModule("C_Logout", () => session.logout());
  } catch (error) {
    if (!(error instanceof CkrError && error.value === CKR_USER_NOT_LOGGED_IN)) throw error;
  }
};

/** A session on the configured token, which may write where the configuration says so. Throws StartFault or CkrError; `progress` is told of each step. */
export const attachToken = async (
  config: Configure,
  gate: PinGate,
  progress: (stage: "attach" | "login") => void,
): Promise<Attached> => {
  const module = loadModule(config.module);
  const slot = chooseSlot(module, config);
  const manufacturer = trimmed(callModule("C_GetInfo", () => module.lib.C_GetInfo()).manufacturerID);
  progress("attach");
  const session = openSession(slot, config.writable);
  const guarded: GuardedToken = { slot, session, gate, key: config.pinKey };
  const enter = (): Promise<string | undefined> => logIn(guarded, () => readPin(config.pinFile));
  const pin = await enter();
  progress("login");
  const attached: Attached = {
    module,
    slot,
    session,
    quirks: quirksOf(manufacturer, config.cache),
    readsPublic: config.readsPublic ?? false,
    guarded,
    pin,
    logInAgain: async () => {
      logOut(session);
      attached.pin = await enter();
      progress("login");
    },
  };
  return attached;
};

/** A start's error in the words of the protocol. Anything but the module's errors and start faults is a bug. */
export const startFailure = (error: unknown): StartFailure => {
  if (error instanceof StartFault) return error.failure;
  if (error instanceof CkrError) {
    return new StartFault(
      "TOKEN_UNAVAILABLE",
      `the token does not answer: ${error.call} returned ${ckrName(error.value)}`,
      { gone: isTokenGone(error.value) },
    ).failure;
  }
  throw error;
};
