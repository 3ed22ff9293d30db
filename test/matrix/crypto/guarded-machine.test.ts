// SPDX-License-Identifier: Apache-2.0
// Tests the wrapper around the crypto machine of either engine.
import t from "tap";
import { guardMachine, type MachineObserver } from "../../../server/matrix/crypto/guarded-machine.ts";
import type {
  CryptoRequest,
  EncryptionSettings,
  KnownDevice,
  OlmMachine,
} from "../../../server/matrix/crypto/olm-machine.ts";

/** A machine that answers with what it is given, and an observer that keeps what it is told. */
const start = (requests: object[]) => {
  const told: unknown[] = [];
  let settings: EncryptionSettings | undefined;
  const machine = {
    outgoingRequests: async () => requests,
    getMissingSessions: async () => ({ id: "claim", type: 2, body: "{}" }),
    markRequestAsSent: async () => true,
    shareRoomKey: async (_room: unknown, _users: unknown, given: EncryptionSettings) => {
      settings = given;
      return [];
    },
    userCount() {
      return this === machine ? 1 : 0;
    },
  };
  const observer: MachineObserver = {
    decrypted: (event) => told.push(["decrypted", event]),
    identitiesUpdated: async () => void told.push("identities"),
    signatures: ({ id }: CryptoRequest) => told.push(["signatures", id]),
  };
  const guarded = guardMachine(machine as unknown as OlmMachine, observer);
  return { guarded, told, settings: () => settings };
};

t.test("no keys are claimed while a key query is unsent", async (t) => {
  const { guarded } = start([{ id: "1", type: 1, body: "{}" }]);
  t.equal(await guarded.getMissingSessions([]), null);
});

t.test("keys are claimed when no key query is unsent", async (t) => {
  const { guarded } = start([{ id: "1", type: 0, body: "{}" }]);
  t.match(await guarded.getMissingSessions([]), { id: "claim" });
});

t.test("signatures are sent by us, and what matrix-bot-sdk does not know is kept from it", async (t) => {
  const { guarded, told } = start([
    { id: "signatures", type: 4, body: "{}" },
    { id: "message", type: 5, body: "{}" },
    { id: "backup", type: 6, body: "{}" },
    { id: "keys", type: 0, body: "{}" },
  ]);
  t.strictSame(
    (await guarded.outgoingRequests()).map(({ id }) => id),
    ["keys"],
  );
  t.strictSame(told, [["signatures", "signatures"]]);
});

t.test("a to-device request has in its body what matrix-bot-sdk takes from there", async (t) => {
  const body = JSON.stringify({ messages: { "@a:b": {} } });
  const { guarded } = start([{ id: "x", txnId: "x", eventType: "m.room.encrypted", type: 3, body }]);
  const [request] = await guarded.outgoingRequests();
  t.strictSame(JSON.parse(request?.body ?? ""), {
    txn_id: "x",
    event_type: "m.room.encrypted",
    messages: { "@a:b": {} },
  });
});

t.test("identities are looked at after the answer to a key query, and after no other", async (t) => {
  const { guarded, told } = start([]);
  await guarded.markRequestAsSent("1", 0, "{}");
  t.strictSame(told, []);
  await guarded.markRequestAsSent("1", 1, "{}");
  t.strictSame(told, ["identities"]);
});

t.test("a week of rotation is a week, and keys go to all devices", async (t) => {
  const { guarded, settings } = start([]);
  await guarded.shareRoomKey("!a", [], {
    algorithm: 1,
    rotationPeriod: 604_800_000n,
    rotationPeriodMessages: 100n,
    historyVisibility: 1,
    sharingStrategy: 1,
  });
  t.match(settings(), { rotationPeriod: 604_800_000_000n, sharingStrategy: 0 });
});

const devices: [sentence: string, device: KnownDevice | null, says: string][] = [
  ["signed", { isCrossSignedByOwner: () => true, curve25519Key: { toBase64: () => "key" } }, "signed"],
  ["not signed", { isCrossSignedByOwner: () => false, curve25519Key: { toBase64: () => "key" } }, "unsigned"],
  ["signed, of a package that gives no key", { isCrossSignedByOwner: () => true }, "signed"],
  [
    "signed, with other keys than the session's",
    { isCrossSignedByOwner: () => true, curve25519Key: { toBase64: () => "another" } },
    "unknown",
  ],
  ["gone", null, "unknown"],
];
for (const [sentence, device, says] of devices) {
  t.test(`the device of a message is looked up when it is decrypted: ${sentence}`, async (t) => {
    const result = { sender: "@a:b", senderDevice: "D", senderCurve25519Key: "key" };
    const told: unknown[] = [];
    const machine = {
      decryptRoomEvent: async () => result,
      getDevice: async (...of: unknown[]) => {
        told.push(of);
        return device;
      },
    };
    const guarded = guardMachine(machine as unknown as OlmMachine, {
      decrypted: (event, _result, now) => told.push([event, now]),
      identitiesUpdated: async () => {},
      signatures: () => {},
    });
    t.equal(await guarded.decryptRoomEvent("{}", "!a"), result);
    t.strictSame(told, [
      ["@a:b", "D"],
      ["{}", says],
    ]);
  });
}

t.test("other methods are the machine's own", async (t) => {
  const { guarded } = start([]);
  const count: unknown = Reflect.get(guarded, "userCount");
  t.equal(typeof count === "function" && count(), 1);
});
