// SPDX-License-Identifier: Apache-2.0
// Sets up the one blank token in sight where that is asked for: SO PIN into its file, C_InitToken, C_InitPIN. Runs in the child.
import { type Session, SessionFlag, type Slot, TokenFlag } from "graphene-pk11";
import { ckrName, isUnfitPin } from "../ckr.ts";
import type { Configure } from "../messages.ts";
import { checkLength, logInAsOfficer, OfficerRefused, type PinGate } from "./login.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { PinFile } from "./pin-file.ts";
import { isBlank, type TokensInSight } from "./slots.ts";
import { newSoPin, readSoPin, writeSoPin } from "./so-pin-file.ts";
import { StartFault } from "./start-fault.ts";

/** Told before the token is touched, and once its user PIN is set. */
export type ProvisioningStep = "provisioning" | "provisioned";

type Situation = {
  config: Configure;
  gate: PinGate;
  told: (step: ProvisioningStep) => void;
  inSight: TokensInSight;
  /** The token that the configuration means, or the fault that there is none. */
  chosen: Slot | StartFault;
};

type Provisioning = Pick<Situation, "config" | "gate" | "told"> & { slot: Slot; soPinFile: string };

/** CK_TOKEN_INFO.label, in bytes. */
const LABEL_BYTES = 32;

/** The fault that nothing was provisioned, and why. */
const notDone = (why: string, { gone = true }: { gone?: boolean } = {}): StartFault =>
  new StartFault("TOKEN_UNAVAILABLE", `PKCS11_AUTO_PROVISION: ${why}`, { gone });

/**
 * Sets up what the configuration asks for: a blank token where there is none of the label, or the user PIN of one of which that alone
 * is missing. Answers whether it has set up anything.
 * @throws StartFault where it is asked for and may not be done, or fails; CkrError where the module fails
 */
export const provision = async ({ config, gate, told, inSight, chosen }: Situation): Promise<boolean> => {
  if (config.provision === undefined) return false;
  const { soPinFile } = config.provision;
  const isMissing = chosen instanceof StartFault;
  const slot = isMissing ? onlyBlank(inSight, chosen) : chosen;
  if (!isMissing && hasUserPin(slot)) return false;
  const provisioning: Provisioning = { config, gate, told, slot, soPinFile };
  const soPin = isMissing ? initToken(provisioning) : handedOver(soPinFile);
  await initPin(provisioning, soPin);
  told("provisioned");
  return true;
};

/** The slot of the one token that may be initialised. @throws StartFault where there is none */
const onlyBlank = ({ blank, unclear }: TokensInSight, { failure }: StartFault): Slot => {
  const [only, ...others] = blank;
  if (only !== undefined && others.length === 0 && unclear === 0) return only.slot;
  const why =
    only === undefined
      ? "the module calls no token blank (CKF_TOKEN_INITIALIZED); OpenSC calls none so"
      : others.length > 0
        ? `${blank.length} tokens are blank, and there must be one`
        : "a token beside the blank one does not answer, and could be the one that is meant";
  throw notDone(`${failure.message}. Nothing was provisioned: ${why}`);
};

const hasUserPin = (slot: Slot): boolean =>
  (callModule("C_GetTokenInfo", () => slot.getToken()).flags & TokenFlag.USER_PIN_INITIALIZED) !== 0;

/** Initialises the token. The SO PIN is in its file before the token can have it. */
const initToken = ({ config, told, slot, soPinFile }: Provisioning): string => {
  const token = callModule("C_GetTokenInfo", () => slot.getToken());
  checkLength(new PinFile(config).read(), token);
  const soPin = newSoPin(token);
  if (soPin === undefined) throw notDone("the token takes no SO PIN that can't be guessed");
  const fault = writeSoPin(soPinFile, soPin);
  if (fault !== undefined) {
    throw notDone(
      `a blank token is there, and was left as it is: ${soPinFile} (PKCS11_SO_PIN_OUTPUT) ${fault}. If it is the SO PIN of another token, move it to a safe place; if a start was cut before the token had it, remove it`,
    );
  }
  if (!isBlank(callModule("C_GetTokenInfo", () => slot.getToken()))) {
    throw notDone(
      `the token is no longer blank, and was left as it is; remove ${soPinFile}, which is of no use`,
    );
  }
  told("provisioning");
  // Slot.initToken of graphene-pk11 throws once it is done.
  callModule("C_InitToken", () => slot.lib.C_InitToken(slot.handle, soPin, padded(config.tokenLabel ?? "")));
  return soPin;
};

/** As C_InitToken wants it: filled up with blanks, without a NUL. */
const padded = (label: string): string => label + " ".repeat(LABEL_BYTES - Buffer.byteLength(label));

/** The SO PIN of a token that a start before this one has initialised. */
const handedOver = (soPinFile: string): string => {
  const read = readSoPin(soPinFile);
  if (read.ok) return read.value;
  throw notDone(
    `the token has no user PIN, and ${soPinFile} (PKCS11_SO_PIN_OUTPUT), from which its SO PIN would be read, ${read.message}. Put it back, or set the user PIN by hand (pkcs11-tool --login --login-type so --init-pin)`,
    { gone: false },
  );
};

/** Sets the user PIN, in a session of its own. */
const initPin = async (
  { config, gate, told, slot, soPinFile }: Provisioning,
  soPin: string,
): Promise<void> => {
  const pin = new PinFile(config).read();
  checkLength(
    pin,
    callModule("C_GetTokenInfo", () => slot.getToken()),
  );
  told("provisioning");
  const flags = SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION;
  const session = callModule("C_OpenSession", () => slot.open(flags));
  try {
    await logInAsOfficer({ slot, session, gate, key: config.pinKey }, soPin);
  } catch (error) {
    if (!(error instanceof OfficerRefused)) throw error;
    throw notDone(
      `the token has no user PIN, and its SO PIN is not tried or not taken (${error.reason}): is ${soPinFile} that of another token? Set the user PIN by hand (pkcs11-tool --login --login-type so --init-pin)`,
      { gone: false },
    );
  }
  setPin(session, pin);
  callModule("C_Logout", () => session.logout());
  callModule("C_CloseSession", () => session.close());
};

const setPin = (session: Session, pin: string): void => {
  try {
    callModule("C_InitPIN", () => session.initPin(pin));
  } catch (error) {
    if (!(error instanceof CkrError && isUnfitPin(error.value))) throw error;
    throw notDone(
      `the token has no user PIN, and does not take that of PKCS11_PIN_FILE: C_InitPIN returned ${ckrName(error.value)}. Put one there that it takes`,
      { gone: false },
    );
  }
};
