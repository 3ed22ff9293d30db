// SPDX-License-Identifier: Apache-2.0
// Requests with the bot's access token; a token that is refused is replaced, and the request is made again.
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

export const createAuthorizedRequests = (options: AuthorizedRequestsOptions): AuthorizedRequests => {
  const { http, now, logger, onRenewal } = options;
  const { userId, deviceId } = options.session;
  let token = options.session.accessToken;
  /** There is no token to hope for any more. */
  let ended = false;
  let underWay: Promise<boolean> | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  const logIn = async (): Promise<boolean> => {
    logger.warn("the homeserver refuses the access token; logging in again");
    const opened = await options.openSession(options.forgetDevice);
    if (!opened.ok) {
      failedAt = now();
      logger.error({ stage: opened.stage, reason: opened.reason }, "the session could not be renewed");
      onRenewal?.("failed");
      if (!opened.retry) {
        ended = true;
        options.onLogInRefused();
      }
      return false;
    }
    const { session } = opened;
    if (opened.deviceChanged || session.deviceId !== deviceId || session.userId !== userId) {
      ended = true;
      logger.error(
        { device: session.deviceId, former: deviceId },
        "the homeserver has ended the bot's device; there is a new one, whose keys a new start makes",
      );
      onRenewal?.("device-changed");
      options.onDeviceChanged();
      return false;
    }
    token = session.accessToken;
    logger.info({ device: deviceId, origin: opened.origin }, "the session was renewed");
    onRenewal?.("ok");
    return true;
  };

  const renew = async (refused: string): Promise<boolean> => {
    if (ended) return false;
    if (refused !== token) return true;
    if (now() - failedAt < BETWEEN_LOG_INS_MS) return false;
    underWay ??= logIn().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };

  return {
    userId,
    deviceId,
    accessToken: () => token,
    renew,
    async request(request) {
      const used = token;
      const answer = await http.request({ ...request, accessToken: used });
      if (answer.ok || answer.kind !== "matrix" || answer.errcode !== "M_UNKNOWN_TOKEN") return answer;
      return (await renew(used)) ? http.request({ ...request, accessToken: token }) : answer;
    },
  };
};
