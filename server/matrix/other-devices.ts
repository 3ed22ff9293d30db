// SPDX-License-Identifier: Apache-2.0
// Logs the other devices of the bot's account: each lost store leaves one behind, with keys to old messages.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { shorten } from "../display-text.ts";
import type { HomeserverRequests } from "./crypto/homeserver-requests.ts";

/** https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3devices */
const Devices = Type.Object({
  devices: Type.Array(
    Type.Object({
      device_id: Type.String(),
      display_name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      last_seen_ts: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
    }),
  ),
});

/** More lines than these are not read in a log. */
const MAX_TOLD = 20;

/** A segment of a URL that can also stand between apostrophes in a shell: the id is the homeserver's. */
const segment = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll("'", "%27");

export type OtherDevicesOptions = {
  readonly request: HomeserverRequests;
  /** MATRIX_HOMESERVER */
  readonly homeserver: string;
  readonly userId: string;
  /** The bot's own, which is left out. */
  readonly deviceId: string;
  readonly logger: Pick<Logger, "warn">;
};

/** An entry of the log for each, with the command that removes it. A homeserver that does not tell is not asked again. */
export const logOtherDevices = async (options: OtherDevicesOptions): Promise<void> => {
  const { request, homeserver, userId, deviceId, logger } = options;
  const { status, body } = await request("GET", "devices");
  if (status !== 200 || !Value.Check(Devices, body)) return;
  const others = body.devices.filter((device) => device.device_id !== deviceId);
  for (const { device_id: id, display_name: name, last_seen_ts: seen } of others.slice(0, MAX_TOLD)) {
    const url = `${homeserver}/_synapse/admin/v2/users/${segment(userId)}/devices/${segment(id)}`;
    logger.warn(
      {
        device: shorten(id, 255),
        ...(typeof name === "string" && { name: shorten(name, 100) }),
        ...(typeof seen === "number" && seen > 0 && seen < 8.64e15 && { seen: new Date(seen).toISOString() }),
        command: `curl -X DELETE -H "Authorization: Bearer $ADMIN_TOKEN" '${url}'`,
      },
      "the bot's account has another device: remove it if nobody uses it",
    );
  }
  if (others.length > MAX_TOLD) {
    logger.warn({ more: others.length - MAX_TOLD }, "the bot's account has more devices than are listed");
  }
};
