// SPDX-License-Identifier: Apache-2.0
// Opens a logged-in session from a configuration: module, slot, PIN file, log-in. Runs in the child.
import { Module, type Session, SessionFlag, type Slot } from "graphene-pk11";
import { CKR_CANT_LOCK, CKR_USER_NOT_LOGGED_IN, ckrName, isTokenGone, isWriteProtected } from "../ckr.ts";
import type { Configure, StartFailure } from "../messages.ts";
import { type GuardedToken, logIn, type PinGate } from "./login.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { type ModuleQuirks, quirksOf } from "./module-quirks.ts";
import { PinFile } from "./pin-file.ts";
import { type ProvisioningStep, provision } from "./provision.ts";
import { chooseSlot, tokensInSight } from "./slots.ts";
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
  pinFile: PinFile;
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

/** The slot of the configured token, which is set up first where that is asked for and may be done. */
const meantSlot = async (
  module: Module,
  config: Configure,
  gate: PinGate,
  told: (step: ProvisioningStep) => void,
): Promise<Slot> => {
  const inSight = tokensInSight(module);
  const chosen = chooseSlot(inSight, config);
  if (await provision({ config, gate, told, inSight, chosen })) {
    // What the module knew of the token may be out of date, its slot's number included.
    callModule("C_Finalize", () => module.finalize());
    initialize(module);
    return slotOrFault(chooseSlot(tokensInSight(module), config));
  }
  return slotOrFault(chosen);
};

const slotOrFault = (chosen: Slot | StartFault): Slot => {
  if (chosen instanceof StartFault) throw chosen;
  return chosen;
};

/** A session on the configured token, which may write where the configuration says so. Throws StartFault or CkrError; `progress` is told of each step. */
export const attachToken = async (
  config: Configure,
  gate: PinGate,
  progress: (step: "attach" | "login" | ProvisioningStep) => void,
): Promise<Attached> => {
  const module = loadModule(config.module);
  const slot = await meantSlot(module, config, gate, progress);
  const manufacturer = trimmed(callModule("C_GetInfo", () => module.lib.C_GetInfo()).manufacturerID);
  progress("attach");
  const session = openSession(slot, config.writable);
  const guarded: GuardedToken = { slot, session, gate, key: config.pinKey };
  const pinFile = new PinFile(config);
  const enter = (): Promise<string | undefined> => logIn(guarded, () => pinFile.read());
  const pin = await enter();
  progress("login");
  const attached: Attached = {
    module,
    slot,
    session,
    quirks: quirksOf(manufacturer, config.cache),
    readsPublic: config.readsPublic ?? false,
    guarded,
    pinFile,
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
