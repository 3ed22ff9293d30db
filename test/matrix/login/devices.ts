// SPDX-License-Identifier: Apache-2.0
// Lists a user's devices from the homeserver.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Homeserver } from "../../../scripts/homeserver/synapse.ts";

const Devices = Type.Object({ devices: Type.Array(Type.Object({ device_id: Type.String() })) });

/** Their ids, sorted. */
export const devicesOf = async (homeserver: Homeserver, userId: string): Promise<string[]> => {
  const { body } = await homeserver.admin("GET", `v2/users/${encodeURIComponent(userId)}/devices`);
  if (!Value.Check(Devices, body)) throw new Error("no list of devices");
  return body.devices.map(({ device_id }) => device_id).sort();
};
