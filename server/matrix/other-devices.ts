// SPDX-License-Identifier: Apache-2.0
// Removes devices that lost stores of the bot have left behind, which keep keys to old messages, and tells of those that stay.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import type { AccountCheck } from "../bot/chat.ts";
import { shorten } from "../display-text.ts";
import type { Sleep } from "../time.ts";
import type { HomeserverRequests } from "./crypto/homeserver-requests.ts";
import { requestWithPassword } from "./crypto/interactive-auth.ts";
import { DISPLAY_NAME } from "./session.ts";

const Device = Type.Object({
  device_id: Type.String(),
  display_name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  last_seen_ts: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
});
type Device = Static<typeof Device>;

/** https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3devices */
const Devices = Type.Object({ devices: Type.Array(Device) });

/** More lines than these are not read in a log. */
const MAX_TOLD = 20;

/**
 * A device that was seen within this time may be another bot's that is at work, and is left alone for so long. By the
 * homeserver's clock, which is that of the device that was seen last.
 */
export const QUIET_MS = 60 * 60_000;

/** How often those that were seen just now are looked at again. */
const MOST_LOOKS = 3;

/** A segment of a URL that can also stand between apostrophes in a shell: the id is the homeserver's. */
const segment = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll("'", "%27");

export type OtherDevicesOptions = {
  readonly request: HomeserverRequests;
  /** MATRIX_HOMESERVER */
  readonly homeserver: string;
  readonly userId: string;
  /** The bot's own, which is left out. */
  readonly deviceId: string;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** With which devices can be removed; undefined where the account has none at the homeserver. */
  readonly password: string | undefined;
  readonly onAccountCheck: (check: AccountCheck) => void;
  readonly sleep: Sleep;
  readonly signal: AbortSignal;
};

/** A homeserver that does not tell is not asked again. */
export const tidyOtherDevices = async (options: OtherDevicesOptions): Promise<void> => {
  const { deviceId, sleep, signal } = options;
  const told = new Set<string>();
  for (let look = 1; !signal.aborted; look += 1) {
    const devices = await listDevices(options);
    if (devices === undefined) return;
    const others = devices.filter((device) => device.device_id !== deviceId);
    const { old, young } = byAge(devices, others);
    const isRemoved = await remove(options, old);
    const left = isRemoved ? others.filter((device) => !old.includes(device)) : others;
    tell(
      options,
      left.filter(({ device_id: id }) => !told.has(id)),
    );
    for (const { device_id: id } of left) told.add(id);
    options.onAccountCheck(checkOf(left.filter(isBots)));
    if (young.length === 0 || look === MOST_LOOKS) return;
    await sleep(QUIET_MS, signal);
  }
};

const listDevices = async ({ request }: OtherDevicesOptions): Promise<Device[] | undefined> => {
  const { status, body } = await request("GET", "devices");
  return status === 200 && Value.Check(Devices, body) ? body.devices : undefined;
};

/** A person who has logged in as the bot has a device of another name. */
const isBots = ({ display_name: name }: Device): boolean => name === DISPLAY_NAME;

/** The bot's former devices: those that nobody uses, and those of which that can't be said yet. */
const byAge = (devices: readonly Device[], others: readonly Device[]) => {
  const latest = Math.max(0, ...devices.map(({ last_seen_ts: seen }) => seen ?? 0));
  const isQuiet = ({ last_seen_ts: seen }: Device) => latest - (seen ?? 0) >= QUIET_MS;
  const former = others.filter(isBots);
  return { old: former.filter(isQuiet), young: former.filter((device) => !isQuiet(device)) };
};

/** Whether they are gone. Where the homeserver wants more than a password they stay. */
const remove = async (
  { request, userId, password, logger }: OtherDevicesOptions,
  old: readonly Device[],
): Promise<boolean> => {
  if (old.length === 0 || password === undefined) return false;
  const devices = old.map(({ device_id: id }) => id);
  const result = await requestWithPassword(
    request,
    "delete_devices",
    { devices },
    { user: userId, password },
  );
  if (result !== "done") {
    logger.warn({ result, count: old.length }, "old devices of the bot could not be removed");
    return false;
  }
  for (const device of old.slice(0, MAX_TOLD)) {
    logger.info(described(device), "an old device of the bot was removed");
  }
  return true;
};

const checkOf = (left: readonly Device[]): AccountCheck => {
  const count = left.length;
  const names = left.slice(0, 3).map(({ device_id: id }) => shorten(id, 64));
  return {
    problem: "old-devices",
    count,
    ...(count > 0 && {
      message: `the bot's account has ${count} other device${count === 1 ? "" : "s"} of the bot's name (${names.join(", ")}${count > names.length ? ", …" : ""}); the log has the command that removes each`,
    }),
  };
};

/** An entry of the log for each, with the command that removes it. */
const tell = ({ homeserver, userId, logger }: OtherDevicesOptions, left: readonly Device[]): void => {
  for (const device of left.slice(0, MAX_TOLD)) {
    const url = `${homeserver}/_synapse/admin/v2/users/${segment(userId)}/devices/${segment(device.device_id)}`;
    logger.warn(
      { ...described(device), command: `curl -X DELETE -H "Authorization: Bearer $ADMIN_TOKEN" '${url}'` },
      "the bot's account has another device: remove it if nobody uses it",
    );
  }
  if (left.length > MAX_TOLD) {
    logger.warn({ more: left.length - MAX_TOLD }, "the bot's account has more devices than are listed");
  }
};

const described = ({ device_id: id, display_name: name, last_seen_ts: seen }: Device) => ({
  device: shorten(id, 255),
  ...(typeof name === "string" && { name: shorten(name, 100) }),
  ...(typeof seen === "number" && seen > 0 && seen < 8.64e15 && { seen: new Date(seen).toISOString() }),
});
