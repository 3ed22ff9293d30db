// SPDX-License-Identifier: Apache-2.0
// Uploads the public keys of a new identity, with the password if the homeserver requires it.
import type { HomeserverRequests } from "../homeserver-requests.ts";
import { requestWithPassword } from "../interactive-auth.ts";

export type PublishResult = "published" | "password-needed" | "unavailable";

/**
 * https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysdevice_signingupload
 * An account's first upload needs no authentication with homeservers since MSC3967.
 * @param keys JSON
 */
export const publishIdentity = async (
  request: HomeserverRequests,
  user: string,
  password: string | undefined,
  keys: string,
): Promise<PublishResult> => {
  const body: unknown = JSON.parse(keys);
  if (typeof body !== "object" || body === null) {
    throw new Error("the machine's request has no object as its body");
  }
  const result = await requestWithPassword(request, "keys/device_signing/upload", body, { user, password });
  return result === "done" ? "published" : result;
};
