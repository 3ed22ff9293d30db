// SPDX-License-Identifier: Apache-2.0
// Persists the bot's session over restarts: renews an expired access token, and logs in anew only when the session is gone.
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import type { BotStore } from "../bot/store.ts";
import { localpartOf, type MatrixAuth, type MatrixConfig } from "../config/matrix.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import type { SchemaCheck } from "../schema-check.ts";
import { logIn, logOut } from "./login/log-in.ts";
import type { LogInDeps, LogInFailure, Session } from "./login/outcome.ts";
import { ownerRefusal, whoAmI } from "./login/token.ts";

/** `reused`: the token still serves; `renewed`: a new token for the same device; `new`: a device that was not there. */
type SessionOrigin = "reused" | "renewed" | "new";

export type OpenedSession =
  | {
      ok: true;
      session: Session;
      /** Keys in the store were another device's: they are of no use any more. Also true the first time. */
      deviceChanged: boolean;
      origin: SessionOrigin;
    }
  | LogInFailure;

export type SessionDeps = LogInDeps & {
  /**
   * Removes what belongs to the former device from the store. It is called in the transaction that writes the new session,
   * so that a bot that is killed never has one device's session with another's keys.
   */
  forgetDevice?: () => void;
  /** Bytes that nobody can guess, for the name of a device. */
  randomBytes: (size: number) => Uint8Array;
};

/** Shown in the list of the user's devices. */
export const DISPLAY_NAME = "Keyswitch";

const StoredSession = Type.Object({
  homeserver: Type.String(),
  method: Type.String(),
  /** MATRIX_USER as it was. */
  configuredUser: Type.Optional(Type.String()),
  userId: Type.String(),
  deviceId: Type.String(),
  /** Absent with AUTH_METHOD=token: that one is the configuration's. */
  accessToken: Type.Optional(Type.String()),
});
type StoredSession = Static<typeof StoredSession>;
const storedSession = compileSchema(StoredSession);

/** A device whose log-in was begun: its answer may have been lost, so the next try names the same device. */
const PendingDevice = Type.Object({
  homeserver: Type.String(),
  configuredUser: Type.String(),
  deviceId: Type.String(),
});
type PendingDevice = Static<typeof PendingDevice>;
const pendingDevice = compileSchema(PendingDevice);

/**
 * A session that the homeserver accepts now. Called at the start, and again by a running bot whose token is refused
 * (M_UNKNOWN_TOKEN). Restarts, kills and expired tokens make no second device.
 */
export const openSession = async (
  config: MatrixConfig,
  store: BotStore,
  deps: SessionDeps,
): Promise<OpenedSession> => {
  const stored = load(store, "current", storedSession);
  if (config.auth.method === "token") return takeToken(config, config.auth, store, deps, stored);
  const usable = stored && isFor(stored, config, config.auth) ? stored : undefined;
  if (usable?.accessToken === undefined) {
    const opened = await openNew(config, config.auth, store, deps);
    if (opened.ok && stored?.accessToken !== undefined && stored.homeserver === config.homeserver) {
      // The former user's device; that it stays where this fails harms nobody.
      await logOut(deps, stored.accessToken);
    }
    return opened;
  }
  const { userId, deviceId, accessToken } = usable;
  const owner = await whoAmI(deps, accessToken);
  if (owner.ok && owner.userId === userId && owner.deviceId === deviceId) {
    return {
      ok: true,
      session: { userId, deviceId, accessToken },
      deviceChanged: false,
      origin: "reused",
    };
  }
  if (owner.ok) return openNew(config, config.auth, store, deps);
  const { fault } = owner;
  const isRefused = fault !== "malformed" && fault.kind === "matrix" && fault.errcode === "M_UNKNOWN_TOKEN";
  if (!isRefused) return ownerRefusal(fault);
  return fault.softLogout
    ? renew(config, config.auth, store, deps, usable)
    : openNew(config, config.auth, store, deps);
};

type Credentials = Exclude<MatrixAuth, { method: "token" }>;

/** Logs in as the device that the store's keys are of. */
const renew = async (
  config: MatrixConfig,
  auth: Credentials,
  store: BotStore,
  deps: SessionDeps,
  former: StoredSession,
): Promise<OpenedSession> => {
  const outcome = await logIn(config, deps, { deviceId: former.deviceId, displayName: DISPLAY_NAME });
  if (!outcome.ok) return outcome;
  const { session } = outcome;
  const deviceChanged = session.userId !== former.userId || session.deviceId !== former.deviceId;
  keep(store, deps, config, auth, session, deviceChanged);
  return { ok: true, session, deviceChanged, origin: deviceChanged ? "new" : "renewed" };
};

const openNew = async (
  config: MatrixConfig,
  auth: Credentials,
  store: BotStore,
  deps: SessionDeps,
): Promise<OpenedSession> => {
  const begun = load(store, "pending", pendingDevice);
  const isSame = begun?.homeserver === config.homeserver && begun.configuredUser === auth.user;
  const deviceId = isSame ? begun.deviceId : deviceName(deps);
  const pending: PendingDevice = { homeserver: config.homeserver, configuredUser: auth.user, deviceId };
  if (!isSame) store.put("session", "pending", JSON.stringify(pending));
  const outcome = await logIn(config, deps, { deviceId, displayName: DISPLAY_NAME });
  if (!outcome.ok) return outcome;
  keep(store, deps, config, auth, outcome.session, true);
  return { ok: true, session: outcome.session, deviceChanged: true, origin: "new" };
};

/** The configuration's own token: a token that was replaced may belong to the same device or to another. */
const takeToken = async (
  config: MatrixConfig,
  auth: Extract<MatrixAuth, { method: "token" }>,
  store: BotStore,
  deps: SessionDeps,
  stored: StoredSession | undefined,
): Promise<OpenedSession> => {
  const outcome = await logIn(config, deps);
  if (!outcome.ok) return outcome;
  const { session } = outcome;
  const deviceChanged =
    stored?.homeserver !== config.homeserver ||
    stored.userId !== session.userId ||
    stored.deviceId !== session.deviceId;
  if (deviceChanged || stored.method !== "token") keep(store, deps, config, auth, session, deviceChanged);
  return { ok: true, session, deviceChanged, origin: deviceChanged ? "new" : "reused" };
};

const isFor = (stored: StoredSession, { homeserver }: MatrixConfig, { user }: Credentials): boolean => {
  if (stored.homeserver !== homeserver) return false;
  // Providers may map names, so that the id need not be the name that was configured.
  if (stored.configuredUser === user) return true;
  return user.startsWith("@") ? stored.userId === user : localpartOf(stored.userId) === user;
};

const keep = (
  store: BotStore,
  deps: SessionDeps,
  { homeserver }: MatrixConfig,
  auth: MatrixAuth,
  { userId, deviceId, accessToken }: Session,
  deviceChanged: boolean,
): void => {
  const stored: StoredSession = {
    homeserver,
    method: auth.method,
    ...(auth.user !== undefined && { configuredUser: auth.user }),
    userId,
    deviceId,
    ...(auth.method !== "token" && { accessToken }),
  };
  store.transaction(() => {
    store.put("session", "current", JSON.stringify(stored));
    store.delete("session", "pending");
    if (deviceChanged) deps.forgetDevice?.();
  });
};

/** Bytes that are not what this version writes count as absent: the bot then logs in anew. */
const load = <T extends TSchema>(
  store: BotStore,
  key: "current" | "pending",
  schema: SchemaCheck<T>,
): Static<T> | undefined => {
  const bytes = store.get("session", key);
  if (bytes === undefined) return undefined;
  const value = jsonOf(bytes);
  return schema.Check(value) ? value : undefined;
};

/** Ten capital letters and digits, as homeservers name devices. */
const deviceName = ({ randomBytes }: SessionDeps): string =>
  Array.from(randomBytes(10), (byte) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte % 32]).join("");
