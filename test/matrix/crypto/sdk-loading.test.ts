// SPDX-License-Identifier: Apache-2.0
// Tests the loading of matrix-bot-sdk: it encrypts messages of a room one after another, and does not load unused packages.
import { createRequire } from "node:module";
import t from "tap";
import { loadCryptoEngine } from "../../../server/matrix/crypto/engine.ts";

await loadCryptoEngine("wasm");
const { CryptoClient } = await import("matrix-bot-sdk");

/** As much of a crypto client as its encryptRoomEvent touches. */
const start = () => {
  const steps: string[] = [];
  const client = {
    isReady: true,
    isRoomEncrypted: async () => true,
    roomTracker: { getRoomCryptoConfig: async () => ({}) },
    engine: {
      run: async () => {},
      prepareEncrypt: async (room: string) => {
        steps.push(`${room} key`);
        if (room === "!broken") throw new Error("no key");
        await new Promise((resolve) => setImmediate(resolve));
      },
      machine: {
        encryptRoomEvent: async (_room: unknown, type: string) => {
          steps.push(`${type} encrypted`);
          return "{}";
        },
      },
    },
  };
  const encrypt = (room: string, type: string): Promise<unknown> =>
    Reflect.apply(CryptoClient.prototype.encryptRoomEvent, client, [room, type, {}]);
  return { steps, encrypt };
};

t.test("no message of a room comes between another's key and its encryption", async (t) => {
  const { steps, encrypt } = start();
  await Promise.all([encrypt("!a:x", "one"), encrypt("!a:x", "two")]);
  t.strictSame(steps, ["!a:x key", "one encrypted", "!a:x key", "two encrypted"]);
});

t.test("rooms do not wait for each other", async (t) => {
  const { steps, encrypt } = start();
  await Promise.all([encrypt("!a:x", "one"), encrypt("!b:x", "two")]);
  t.strictSame(steps.slice(0, 2), ["!a:x key", "!b:x key"]);
});

t.test("a message that fails holds up nothing", async (t) => {
  const { encrypt } = start();
  const [first, second] = await Promise.allSettled([encrypt("!broken", "one"), encrypt("!broken", "two")]);
  t.match(first, { status: "rejected" });
  t.match(second, { status: "rejected" });
});

t.test("a package that is left out says so when it is used after all", async (t) => {
  const inSdk = createRequire(createRequire(import.meta.url).resolve("matrix-bot-sdk"));
  t.throws(() => inSdk("express")(), { message: /express, which Keyswitch leaves out/ });
});
