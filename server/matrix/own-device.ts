// SPDX-License-Identifier: Apache-2.0
// Has the bot's own device cross-signed, with retries while the homeserver does not answer, and logs the result.
import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import type { AccountCheck, DeviceTrust } from "../bot/chat.ts";
import type { MatrixAuth } from "../config/matrix.ts";
import type { Sleep } from "../time.ts";
import type { CrossSigningOutcome, UnsignedReason } from "./crypto/cross-signing/cross-sign.ts";
import { decodeRecoveryKey } from "./crypto/cross-signing/recovery-key.ts";
import type { Encryption } from "./crypto/encryption.ts";
import type { HomeserverRequests } from "./crypto/homeserver-requests.ts";

const RETRY_MS = 30_000;

const WHAT_TO_DO: Readonly<Record<Exclude<UnsignedReason, "unavailable">, string>> = {
  "identity-elsewhere":
    "the bot's account has a cross-signing identity whose keys are not here: give its recovery key in MATRIX_RECOVERY_KEY_FILE, or make a new identity with `node main.js bot setup --reset`, see docs/chat.md. Until then clients show the bot's device as unverified, and some may stop sharing keys with it",
  "wrong-recovery-key":
    "the recovery key in MATRIX_RECOVERY_KEY_FILE does not open the account's secret storage: correct the file",
  "password-needed":
    "the homeserver wants the account's password to make a cross-signing identity, and has not got the right one: start once with AUTH_METHOD=password, or give MATRIX_RECOVERY_KEY_FILE",
};

/** The bytes of MATRIX_RECOVERY_KEY_FILE. @throws Error when it holds no recovery key */
export const readRecoveryKey = (path: string | undefined): Uint8Array | undefined => {
  if (path === undefined) return undefined;
  const key = decodeRecoveryKey(readFileSync(path, "utf8"));
  if (key === undefined) {
    throw new Error(`MATRIX_RECOVERY_KEY_FILE ${path} holds no recovery key, or one with a typing error`);
  }
  return key;
};

const standingOf = (outcome: CrossSigningOutcome): DeviceTrust => {
  if (outcome.kind === "signed") return { isSigned: true };
  const why =
    outcome.reason === "unavailable"
      ? "the homeserver did not answer about the bot's identity"
      : WHAT_TO_DO[outcome.reason];
  return { isSigned: false, message: `the bot's device is not signed: ${why}` };
};

type Signed = Extract<CrossSigningOutcome, { kind: "signed" }>;

const NO_BACKUP: Readonly<Record<Exclude<Signed["backup"], "kept">, string>> = {
  none: "a lost volume would leave a device that nobody trusts, because there is no recovery key: `node main.js bot setup` makes one and says where it goes",
  failed:
    "a lost volume would leave a device that nobody trusts, because the identity's keys could not be kept in the account's secret storage: restart the bot",
  "wrong-recovery-key":
    "a lost volume would leave a device that nobody trusts, because the recovery key in MATRIX_RECOVERY_KEY_FILE does not open the account's secret storage: correct the file",
};

const NO_KEYS = "the bot has not got the keys of its identity, and so can't keep them in secret storage";

/** Undefined while it is not known. */
const backupOf = (outcome: CrossSigningOutcome): AccountCheck | undefined => {
  const problem = "no-backup";
  if (outcome.kind === "unsigned") {
    return outcome.reason === "unavailable" ? undefined : { problem, count: 1, message: NO_KEYS };
  }
  const { backup } = outcome;
  return backup === "kept" ? { problem, count: 0 } : { problem, count: 1, message: NO_BACKUP[backup] };
};

const report = (outcome: CrossSigningOutcome, logger: Pick<Logger, "info" | "warn">): void => {
  if (outcome.kind === "signed") {
    const { identity, backup } = outcome;
    logger.info({ identity, backup }, "the bot's device is signed by its identity");
    if (backup !== "kept") logger.warn({ backup }, NO_BACKUP[backup]);
  } else if (outcome.reason !== "unavailable") {
    logger.warn({ reason: outcome.reason }, `the bot's device is not signed: ${WHAT_TO_DO[outcome.reason]}`);
  }
};

export type OwnDeviceOptions = {
  readonly encryption: Pick<Encryption, "start" | "fingerprint">;
  readonly request: HomeserverRequests;
  readonly auth: MatrixAuth;
  readonly recoveryKey: Uint8Array | undefined;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** Called after each try. */
  readonly onDeviceTrust: (trust: DeviceTrust) => void;
  readonly onAccountCheck: (check: AccountCheck) => void;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
};

/** Ends when the outcome is certain, or `signal` says so. */
export const signOwnDevice = async (options: OwnDeviceOptions): Promise<void> => {
  const { encryption, request, auth, recoveryKey, logger, sleep, signal } = options;
  logger.info(
    { fingerprint: encryption.fingerprint() },
    "the bot's device; clients show the same fingerprint",
  );
  while (!signal.aborted) {
    const outcome = await encryption.start({
      request,
      ...(auth.method === "password" && { password: auth.password.reveal() }),
      ...(recoveryKey !== undefined && { recoveryKey }),
    });
    if (signal.aborted) return;
    report(outcome, logger);
    options.onDeviceTrust(standingOf(outcome));
    const backup = backupOf(outcome);
    if (backup !== undefined) options.onAccountCheck(backup);
    if (outcome.kind === "signed" || outcome.reason !== "unavailable") return;
    logger.warn(
      { delayMs: RETRY_MS },
      "the homeserver did not answer about the bot's identity; trying again",
    );
    await sleep(RETRY_MS, signal);
  }
};
