// SPDX-License-Identifier: Apache-2.0
// Lists a user's devices as another user's client knows them once it has caught up with the homeserver.
import type { MatrixClient } from "matrix-js-sdk";
import type { CryptoApi } from "matrix-js-sdk/lib/crypto-api/index.js";
import { eventually } from "../../local/eventually.ts";
import { isEncrypted } from "./rooms.ts";

/** A device as this user's client knows it. */
export type KnownDevice = {
  readonly id: string;
  /** Its Ed25519 key, base64. */
  readonly fingerprint: string | undefined;
  /** Whether its owner's cross-signing identity has signed it. */
  readonly signedByOwner: boolean;
};

const knownDevicesOf = async (crypto: CryptoApi, owner: string): Promise<readonly KnownDevice[]> => {
  const devices = (await crypto.getUserDeviceInfo([owner], true)).get(owner);
  return Promise.all(
    [...(devices?.values() ?? [])].map(async (device) => {
      const status = await crypto.getDeviceVerificationStatus(owner, device.deviceId);
      return {
        id: device.deviceId,
        fingerprint: device.getFingerprint(),
        signedByOwner: status?.signedByOwner ?? false,
      };
    }),
  );
};

/** Each device that the homeserver names now, and whether the owner's identity has signed it. */
const publishedDevicesOf = async (client: MatrixClient, owner: string): Promise<string[]> => {
  const asked = await client.downloadKeysForUsers([owner]);
  const [signer = ""] = Object.values(asked.self_signing_keys?.[owner]?.keys ?? {});
  return Object.values(asked.device_keys[owner] ?? {}).map(({ device_id: id, signatures }) => {
    const signed = signatures?.[owner]?.[`ed25519:${signer}`] !== undefined;
    return `${id} ${signed}`;
  });
};

/** The devices of `owner` that have keys, as the homeserver has them now. @throws Error when the client does not catch up */
export const devicesOf = async (
  client: MatrixClient,
  crypto: CryptoApi,
  owner: string,
): Promise<readonly KnownDevice[]> => {
  const meets = client
    .getRooms()
    .some((known) => known.hasMembershipState(owner, "join") && isEncrypted(client, known.roomId));
  if (!meets) return knownDevicesOf(crypto, owner);
  // Of those whom it encrypts for the client asks again only when a sync tells it of a change, so it is compared with
  // what the homeserver says now.
  const published = await publishedDevicesOf(client, owner);
  return eventually(`${client.getUserId()} knows the devices of ${owner}: ${published}`, async () => {
    const known = await knownDevicesOf(crypto, owner);
    const seen = known.map(({ id, signedByOwner }) => `${id} ${signedByOwner}`);
    return seen.sort().join() === published.sort().join() ? known : undefined;
  });
};
