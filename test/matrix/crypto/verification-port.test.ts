// SPDX-License-Identifier: Apache-2.0
// Tests which events of verifications the crypto machine gets, and which of its answers are sent: those of allowed users alone, and
// never the end, after which the machine would trust somebody.
import t from "tap";
import type { OlmMachine } from "../../../server/matrix/crypto/olm-machine.ts";
import {
  roomVerification,
  type VerificationMessage,
} from "../../../server/matrix/crypto/verification-access.ts";
import {
  createVerificationPort,
  signsOnly,
  withoutVerifications,
} from "../../../server/matrix/crypto/verification-port.ts";
import { recordedLog } from "../../http/recorded-log.ts";

const ALICE = "@alice:example.org";
const MALLORY = "@mallory:example.org";
const BOT = "@bot:example.org";

const toDevice = (type: string, sender: string, content: object = {}) => ({
  type: `m.key.verification.${type}`,
  sender,
  content: { transaction_id: "flow", ...content },
});

const message = (to: string, id: string): VerificationMessage => ({
  id,
  txnId: id,
  type: 3,
  eventType: "m.key.verification.cancel",
  body: JSON.stringify({ messages: { [to]: { "*": {} } } }),
});

const start = ({
  outgoing = [],
  knows = true,
}: {
  outgoing?: VerificationMessage[];
  knows?: boolean;
} = {}) => {
  const did: unknown[] = [];
  const machine = {
    async markRequestAsSent(id: string) {
      did.push(["sent", id]);
      return true;
    },
    verification: {
      outgoing: async () => outgoing,
      verificationFlow: (user: string) => ({ user }),
      receiveVerificationEvent: async (event: string) => void did.push(["room", JSON.parse(event)]),
    },
  };
  const { port, guard } = createVerificationPort({
    machine: () => machine as unknown as OlmMachine,
    roomId: (text) => text,
    mayVerify: (user) => user === ALICE,
    async queryDevices(user) {
      did.push(["query", user]);
      if (user === ALICE && !knows) throw new Error("away");
    },
    isKnownDevice: async () => knows,
    logger: recordedLog().logger,
  });
  port.listen((event) => did.push(["told", event.sender, event.step]));
  return { port, guard, did };
};

t.test("of to-device events the machine gets those of allowed users, and no end", async (t) => {
  const { guard, did } = start();
  const key = { type: "m.room_key", sender: MALLORY, content: {} };
  const ours = [toDevice("request", ALICE, { from_device: "D" }), toDevice("mac", ALICE)];
  const events = JSON.stringify([
    key,
    ours[0],
    toDevice("request", MALLORY),
    toDevice("request", BOT),
    ours[1],
    toDevice("done", ALICE),
  ]);
  t.same(JSON.parse(await guard.before(events)), [key, ...ours]);
  t.same(did, []);
  guard.after(events, JSON.stringify([toDevice("key", ALICE), toDevice("key", MALLORY)]));
  t.same(did, [
    ["told", ALICE, "request"],
    ["told", ALICE, "other"],
    ["told", ALICE, "done"],
    ["told", ALICE, "other"],
  ]);
});

t.test("without any of a verification the events are as they came", async (t) => {
  const events = '[ {"type": "m.room_key"} ]';
  t.equal(await start().guard.before(events), events);
  t.equal(await withoutVerifications.before(events), events);
});

t.test("an engine without verifications gets none of their events", async (t) => {
  const key = { type: "m.room_key", sender: ALICE, content: {} };
  const kept = await withoutVerifications.before(JSON.stringify([toDevice("request", ALICE), key]));
  t.same(JSON.parse(kept), [key]);
});

t.test(
  "a device that is not known is asked for before its request, and an outage stops nothing",
  async (t) => {
    const { guard, did } = start({ knows: false });
    const events = JSON.stringify([
      toDevice("request", ALICE, { from_device: "NEW" }),
      toDevice("start", ALICE),
    ]);
    t.same(JSON.parse(await guard.before(events)), JSON.parse(events));
    t.same(did, [["query", ALICE]]);
  },
);

t.test("what the machine wants sent to somebody else is dropped for good", async (t) => {
  const { port, did } = start({ outgoing: [message(ALICE, "a"), message(MALLORY, "m"), message(BOT, "b")] });
  t.same(
    (await port.outgoing()).map(({ id }) => id),
    ["a"],
  );
  t.same(did, [
    ["sent", "m"],
    ["sent", "b"],
  ]);
  t.ok(port.flow(ALICE, "flow"));
  t.equal(port.flow(MALLORY, "flow"), undefined);
  t.equal(port.flow(BOT, "flow"), undefined);
});

t.test("of a room's events the same, and a request to somebody else is not the bot's", async (t) => {
  const { port, did } = start();
  const request = (sender: string, to: string) => ({
    type: "m.room.message",
    event_id: "$1",
    sender,
    content: { msgtype: "m.key.verification.request", to, from_device: "D" },
  });
  const mac = (type: string) => ({
    type: `m.key.verification.${type}`,
    event_id: "$2",
    sender: ALICE,
    content: { "m.relates_to": { rel_type: "m.reference", event_id: "$1" } },
  });
  for (const event of [
    request(ALICE, BOT),
    request(ALICE, MALLORY),
    request(MALLORY, BOT),
    mac("mac"),
    mac("done"),
  ]) {
    const parsed = roomVerification(event, BOT);
    t.equal(parsed?.flow, "$1");
    if (parsed) await port.receive(parsed, event, "!room:example.org");
  }
  t.same(did, [
    ["room", request(ALICE, BOT)],
    ["room", mac("mac")],
  ]);
  t.equal(
    roomVerification({ type: "m.room.message", sender: ALICE, content: { msgtype: "m.text" } }, BOT),
    undefined,
  );
});

t.test("signatures are published on the bot's own keys alone", async (t) => {
  t.ok(signsOnly(BOT, JSON.stringify({ [BOT]: { D: {} } })));
  t.notOk(signsOnly(BOT, JSON.stringify({ [ALICE]: { key: {} } })));
  t.notOk(signsOnly(BOT, JSON.stringify({ [BOT]: {}, [ALICE]: {} })));
});
