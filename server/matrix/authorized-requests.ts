// SPDX-License-Identifier: Apache-2.0
// Sends requests with the bot's access token; when it is refused, logs in again and repeats the request.
import type { Logger } from "pino";
import type { MatrixAnswer, MatrixHttp, MatrixRequest } from "./http.ts";
import type { Session } from "./login/outcome.ts";
import type { OpenedSession } from "./session.ts";

export type AuthorizedRequests = {
  readonly userId: string;
  readonly deviceId: string;
  /** As it is now: it changes when it is renewed. */
  accessToken(): string;
  /** Never throws for what a network or the homeserver does. */
  request(request: Omit<MatrixRequest, "accessToken">): Promise<MatrixAnswer>;
  /** To be called when `refused` was answered with M_UNKNOWN_TOKEN. True when there is another token to try with. */
  renew(refused: string): Promise<boolean>;
};

export type AuthorizedRequestsOptions = {
  http: MatrixHttp;
  session: Session;
  /**
   * openSession of session.ts with its arguments, of which `forgetDevice` is given here: it is called where the device is
   * another one, in the transaction that says so.
   */
  openSession: (forgetDevice: () => void) => Promise<OpenedSession>;
  /** Milliseconds, monotonic. */
  now: () => number;
  logger: Pick<Logger, "info" | "warn" | "error">;
  /** A log-in was tried because the token was refused. */
  onRenewal?: (outcome: "ok" | "failed" | "device-changed") => void;
  /** See openSession: the keys of the device are of no use any more, and may not be written again. */
  forgetDevice: () => void;
  /** The device is another one, and the store has its session. */
  onDeviceChanged: () => void;
  /** A log-in was refused in a way that trying again can't mend; more of the kind could lock the account. */
  onLogInRefused: () => void;
};

/** After a log-in that failed; those who wait for one meanwhile get its result. */
const BETWEEN_LOG_INS_MS = 900;

export const createAuthorizedRequests = (options: AuthorizedRequestsOptions): AuthorizedRequests =>
  new RenewingRequests(options);

class RenewingRequests implements AuthorizedRequests {
  readonly userId: string;
  readonly deviceId: string;
  readonly #options: AuthorizedRequestsOptions;
  #accessToken: string;
  /** There is no access token to hope for any more. */
  #ended = false;
  #logIn: Promise<boolean> | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AuthorizedRequestsOptions) {
    this.#options = options;
    this.userId = options.session.userId;
    this.deviceId = options.session.deviceId;
    this.#accessToken = options.session.accessToken;
  }

  accessToken(): string {
    return this.#accessToken;
  }

  async request(request: Omit<MatrixRequest, "accessToken">): Promise<MatrixAnswer> {
    const { http } = this.#options;
    const used = this.#accessToken;
    const answer = await http.request({ ...request, accessToken: used });
    if (answer.ok || answer.kind !== "matrix" || answer.errcode !== "M_UNKNOWN_TOKEN") return answer;
    return (await this.renew(used)) ? http.request({ ...request, accessToken: this.#accessToken }) : answer;
  }

  async renew(refused: string): Promise<boolean> {
    if (this.#ended) return false;
    if (refused !== this.#accessToken) return true;
    if (this.#options.now() - this.#failedAt < BETWEEN_LOG_INS_MS) return false;
    this.#logIn ??= this.#logInAgain().finally(() => {
      this.#logIn = undefined;
    });
    return this.#logIn;
  }

  async #logInAgain(): Promise<boolean> {
    const { logger, openSession, forgetDevice, onRenewal } = this.#options;
    logger.warn("the homeserver refuses the access token; logging in again");
    const opened = await openSession(forgetDevice);
    if (!opened.ok) return this.#logInFailed(opened);
    const { session } = opened;
    if (opened.deviceChanged || session.deviceId !== this.deviceId || session.userId !== this.userId) {
      return this.#deviceChanged(session);
    }
    this.#accessToken = session.accessToken;
    logger.info({ device: this.deviceId, origin: opened.origin }, "the session was renewed");
    onRenewal?.("ok");
    return true;
  }

  #logInFailed({ stage, reason, retry }: Extract<OpenedSession, { ok: false }>): false {
    const { now, logger, onRenewal, onLogInRefused } = this.#options;
    this.#failedAt = now();
    logger.error({ stage, reason }, "the session could not be renewed");
    onRenewal?.("failed");
    if (!retry) {
      this.#ended = true;
      onLogInRefused();
    }
    return false;
  }

  #deviceChanged(session: Session): false {
    const { logger, onRenewal, onDeviceChanged } = this.#options;
    this.#ended = true;
    logger.error(
      { device: session.deviceId, former: this.deviceId },
      "the homeserver has ended the bot's device; there is a new one, whose keys a new start makes",
    );
    onRenewal?.("device-changed");
    onDeviceChanged();
    return false;
  }
}
