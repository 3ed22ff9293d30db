// SPDX-License-Identifier: Apache-2.0
// Tests how a verification ends with which nobody goes on, and what is sent when the homeserver was away for a step.
import t from "tap";
import type {
  VerificationFlow,
  VerificationMessage,
} from "../../server/matrix/crypto/verification-access.ts";
import type { VerificationPort } from "../../server/matrix/crypto/verification-port.ts";
import type { MatrixAnswer } from "../../server/matrix/http.ts";
import { createVerifications } from "../../server/matrix/verifications.ts";
import { recordedLog } from "../http/recorded-log.ts";

const ALICE = "@alice:example.org";

const message = (step: string): VerificationMessage => ({
  id: step,
  txnId: step,
  type: 3,
  eventType: `m.key.verification.${step}`,
  body: JSON.stringify({ messages: { [ALICE]: { D: {} } } }),
});

/** A verification that alice asks for and never goes on with; after `gone` pauses the machine ends it by itself. */
const ask = async (gone: number, answers: MatrixAnswer[] = []) => {
  let phase: VerificationFlow["phase"] = "requested";
  let unsent: VerificationMessage[] = [];
  let tell: Parameters<VerificationPort["listen"]>[0] = () => {};
  const sent: string[] = [];
  const sleeps: number[] = [];
  const { logger, lines } = recordedLog();
  const flow: VerificationFlow = {
    get phase() {
      return phase;
    },
    room: undefined,
    device: "D",
    cancelCode: undefined,
    accept() {
      phase = "ready";
      return [message("ready")];
    },
    acceptEmoji: () => [],
    shown: () => undefined,
    isConfirmed: false,
    confirm: async () => [],
    cancel() {
      phase = "cancelled";
      return [message("cancel")];
    },
  };
  const verifications = createVerifications({
    port: {
      flow: () => flow,
      receive: async () => {},
      outgoing: async () => unsent,
      async sent() {
        unsent = [];
      },
      listen(listener) {
        tell = listener;
      },
    },
    requests: {
      userId: "@bot:example.org",
      async request({ path }) {
        sent.push(path);
        return answers.shift() ?? { ok: true, status: 200, body: {} };
      },
    },
    rooms: { isEncrypted: async () => false, members: async () => [] },
    crypto: { encrypt: async () => ({}), flush: async () => {} },
    chat: { send: async () => ({ room: "", id: "" }) },
    mayTalk: () => true,
    async sleep(ms) {
      sleeps.push(ms);
      if (sleeps.length !== gone) return;
      phase = "cancelled";
      unsent = [message("timeout")];
    },
    signal: new AbortController().signal,
    logger,
  });
  tell({ step: "request", sender: ALICE, flow: "f", device: "D" });
  await verifications.idle();
  await verifications.idle();
  return { sent: sent.map((path) => path.split("/").at(-1)), sleeps, lines };
};

t.test("the machine's own end is sent, though no event comes any more", async (t) => {
  const { sent, sleeps } = await ask(2);
  t.same(sent, ["ready", "timeout"]);
  t.equal(sleeps.length, 2);
});

t.test("after ten minutes the bot ends it", async (t) => {
  const { sent, sleeps } = await ask(Number.POSITIVE_INFINITY);
  t.same(sent, ["ready", "cancel"]);
  t.equal(
    sleeps.reduce((sum, ms) => sum + ms),
    600_000,
  );
});

t.test("a step is sent again after an outage, and one that is refused is told", async (t) => {
  const away: MatrixAnswer = { ok: false, kind: "unreachable", what: "can't be reached" };
  const refused: MatrixAnswer = { ok: false, kind: "http", status: 403 };
  t.same((await ask(3, [away])).sent, ["ready", "ready", "timeout"]);
  const { lines } = await ask(2, [refused]);
  t.match(
    lines.find(({ level }) => level === "warn"),
    { msg: /was not sent/, reason: /403/ },
  );
});
