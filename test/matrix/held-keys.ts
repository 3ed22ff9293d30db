// SPDX-License-Identifier: Apache-2.0
// Delays the room keys of a user's client until a test releases them, as a slow homeserver does.
import type { User } from "../../scripts/homeserver/client/user.ts";

export type HeldKeys = {
  /** Sends what was held, and holds no more. */
  release(): Promise<void>;
};

/** From now on; the client is told that the keys have gone. */
export const holdKeys = ({ client }: User): HeldKeys => {
  const held: (() => Promise<Response>)[] = [];
  let isHolding = true;
  const fetchFn: typeof fetch = async (resource, options) => {
    if (!isHolding || !String(resource).includes("/sendToDevice/")) return fetch(resource, options);
    held.push(() => fetch(resource, { ...options, signal: null }));
    return new Response("{}", { headers: { "content-type": "application/json" } });
  };
  Object.assign(client.http.opts, { fetchFn });
  return {
    async release() {
      isHolding = false;
      for (const send of held) await send();
    },
  };
};
