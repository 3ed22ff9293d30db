// SPDX-License-Identifier: Apache-2.0
// A user's client whose room keys don't reach anybody until they are let go, as with a slow homeserver between.
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
