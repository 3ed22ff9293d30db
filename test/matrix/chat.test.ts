// SPDX-License-Identifier: Apache-2.0
// Tests the sending of answers: keys are stored first, rate limits are awaited, and nothing is sent unencrypted because
// something is not known.
import t from "tap";
import { createChat } from "../../server/matrix/chat.ts";
import type { MatrixAnswer } from "../../server/matrix/http.ts";
import { RequestFailed } from "../../server/matrix/request-failed.ts";

const sent = (id: string): MatrixAnswer => ({ ok: true, status: 200, body: { event_id: id } });
const limit = (retryAfterMs?: number): MatrixAnswer => ({
  ok: false,
  kind: "matrix",
  status: 429,
  errcode: "M_LIMIT_EXCEEDED",
  softLogout: false,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
const away: MatrixAnswer = { ok: false, kind: "unreachable", what: "refused the connection" };

const setUp = (
  answers: MatrixAnswer[],
  more: { isEncrypted?: () => Promise<boolean>; flush?: () => Promise<void> } = {},
) => {
  const steps: string[] = [];
  const contents: unknown[] = [];
  const chat = createChat({
    requests: {
      async request({ path, body }) {
        contents.push(body);
        steps.push(`PUT ${decodeURIComponent(path.slice(path.indexOf("/send/") + 6))}`);
        return answers.shift() ?? away;
      },
    },
    rooms: {
      isEncrypted: more.isEncrypted ?? (async () => true),
      async apply() {},
      async members() {
        return [];
      },
      async describe() {
        return { direct: true };
      },
      prepare() {},
      left() {},
    },
    crypto: {
      async encrypt() {
        steps.push("encrypt");
        return {};
      },
      async flush() {
        steps.push("flush");
        await more.flush?.();
      },
    },
    now: () => 0,
    sleep: async (ms) => void steps.push(`wait ${ms}`),
    signal: new AbortController().signal,
  });
  return { chat, steps, contents };
};

t.test("the keys are on the disk before the message leaves", async (t) => {
  const { chat, steps } = setUp([sent("$1")]);
  t.same(await chat.send("!a", "text", "t1"), { room: "!a", id: "$1" });
  t.same(steps, ["encrypt", "flush", "PUT m.room.encrypted/t1"]);
});

t.test("a long text fits into an event, encrypted and as an edit, and says what it leaves out", async (t) => {
  const line = `web "${"é&".repeat(60)}" is starting: 3 desired, 0 ready.`;
  for (const text of [Array(500).fill(line).join("\n"), "é&".repeat(40_000)]) {
    const { chat, contents } = setUp([sent("$1"), sent("$2"), sent("$3")], {
      isEncrypted: async () => false,
    });
    await chat.send("!a", text, "t1");
    await chat.tell("!a", { text: () => text, mentions: ["@alice:example.org"] }, "t2");
    await chat.edit({ room: "!a", id: "$1" }, text, "t3");
    for (const content of contents) t.ok((Buffer.byteLength(JSON.stringify(content)) * 4) / 3 < 60_000);
    const left = text.includes("\n") ? /^web .*\n… and 4\d\d more lines$/s : /^é&.*…$/;
    t.match(contents[0], { body: left });
    t.match(contents[2], { "m.new_content": { body: left } });
  }
});

t.test("nothing leaves when the disk can't be written", async (t) => {
  const { chat, steps } = setUp([sent("$1")], { flush: () => Promise.reject(new Error("the disk is full")) });
  await t.rejects(chat.send("!a", "text", "t1"));
  t.same(steps, ["encrypt", "flush"]);
});

t.test("nothing leaves while it is not known whether the room is encrypted", async (t) => {
  const fault = { ok: false, kind: "timeout", what: "did not answer in time" } as const;
  const { chat, steps } = setUp([sent("$1")], {
    isEncrypted: () => Promise.reject(new RequestFailed(fault)),
  });
  const failure = await chat.send("!a", "text", "t1").catch((error: unknown) => error);
  t.match(failure, { fault });
  t.same(steps, []);
});

t.test("nobody is mentioned, whatever the text cites", async (t) => {
  const { chat, contents } = setUp([sent("$1"), sent("$2")], { isEncrypted: async () => false });
  const answer = await chat.send("!a", "🦞 @room", "t1");
  await chat.edit(answer, "@room", "t2");
  t.match(contents, [{ "m.mentions": {} }, { "m.mentions": {}, "m.new_content": { "m.mentions": {} } }]);
  t.notMatch(contents, [{ "m.mentions": { room: true } }]);
});

t.test("an answer stays in its thread, and a reaction is not encrypted", async (t) => {
  const { chat, contents, steps } = setUp([sent("$1"), sent("$2")], { isEncrypted: async () => false });
  await chat.send("!a", "text", "t1", { root: "$root", after: "$asked" });
  await chat.react({ room: "!a", id: "$asked" }, "🦞", "t2");
  t.match(contents, [
    {
      body: "text",
      "m.relates_to": {
        rel_type: "m.thread",
        event_id: "$root",
        is_falling_back: true,
        "m.in_reply_to": { event_id: "$asked" },
      },
    },
    { "m.relates_to": { rel_type: "m.annotation", event_id: "$asked", key: "🦞" } },
  ]);
  t.same(steps, ["flush", "PUT m.room.message/t1", "PUT m.reaction/t2"]);
});

t.test("news mentions people, as a message that notifies them, and cites nothing as HTML", async (t) => {
  const { chat, contents } = setUp([sent("$1")], { isEncrypted: async () => false });
  const news = { text: () => "web is <off> & @room\nreally", mentions: ["@alice:example.org"] };
  t.same(await chat.tell("!a", news, "t1", { root: "$root", after: "$asked" }), { room: "!a", id: "$1" });
  t.same(contents, [
    {
      msgtype: "m.text",
      body: "@alice:example.org: web is <off> & @room\nreally",
      format: "org.matrix.custom.html",
      formatted_body:
        '<a href="https://matrix.to/#/%40alice%3Aexample.org">@alice:example.org</a>: web is &lt;off&gt; &amp; @room<br>really',
      "m.mentions": { user_ids: ["@alice:example.org"] },
      "m.relates_to": {
        rel_type: "m.thread",
        event_id: "$root",
        is_falling_back: true,
        "m.in_reply_to": { event_id: "$asked" },
      },
    },
  ]);
});

t.test("what is no news any more when its turn comes is not sent", async (t) => {
  const { chat, steps } = setUp([limit(700), sent("$1")], { isEncrypted: async () => false });
  const texts = ["web is off", undefined];
  const sentNews = await chat.tell("!a", { text: () => texts.shift(), mentions: ["@a:b"] }, "t1");
  t.equal(sentNews, undefined);
  t.same(steps, ["flush", "PUT m.room.message/t1", "wait 700"]);
});

const plain = { isEncrypted: async () => false };
const rows: [string, MatrixAnswer[], string[], string][] = [
  [
    "a limit is waited for, with the same transaction",
    [limit(700), sent("$1")],
    ["PUT", "wait 700", "PUT"],
    "sent",
  ],
  [
    "a limit without a time is waited for a second",
    [limit(), sent("$1")],
    ["PUT", "wait 1000", "PUT"],
    "sent",
  ],
  ["a limit of more than a minute fails", [limit(60_001)], ["PUT"], "matrix"],
  ["a homeserver that is away fails at once", [away], ["PUT"], "unreachable"],
  ["an answer without an event's id fails", [{ ok: true, status: 200, body: {} }], ["PUT"], "not-json"],
];
for (const [name, answers, expected, outcome] of rows) {
  t.test(name, async (t) => {
    const { chat, steps } = setUp(answers, plain);
    const result = await chat.send("!a", "text", "t1").then(
      () => "sent",
      (error: unknown) => (error instanceof RequestFailed ? error.fault.kind : "bug"),
    );
    t.equal(result, outcome);
    t.same(
      steps,
      expected.flatMap((step) => (step === "PUT" ? ["flush", "PUT m.room.message/t1"] : [step])),
    );
  });
}

t.test("a failure does not hold up what comes after it in the room", async (t) => {
  const { chat } = setUp([away, sent("$2")], plain);
  const first = chat.send("!a", "one", "t1");
  const second = chat.send("!a", "two", "t2");
  await t.rejects(first);
  t.same(await second, { room: "!a", id: "$2" });
});
