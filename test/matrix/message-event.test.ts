// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of messages and reactions, with contents that a homeserver of ours would reject.
import t from "tap";
import { isEdit, reactionOf, redactedBy, relationsOf, textOf } from "../../server/matrix/message-event.ts";

const reply = (body: string) => ({
  msgtype: "m.text",
  body,
  "m.relates_to": { "m.in_reply_to": { event_id: "$a" } },
});

const texts: [string, Record<string, unknown>, string | undefined][] = [
  ["a body that is no text", { msgtype: "m.text", body: { a: 1 } }, undefined],
  ["no body", { msgtype: "m.text" }, undefined],
  ["no type", { body: "stop" }, undefined],
  ["an empty content", {}, undefined],
  [
    "new content that is null is an edit all the same",
    { msgtype: "m.text", body: "stop", "m.new_content": null },
    undefined,
  ],
  ["a relation that is no object", { msgtype: "m.text", body: "stop", "m.relates_to": "x" }, undefined],
  ["a reply that is a quotation and nothing else", reply("> a\n> b"), "> a\n> b"],
  ["a quotation without an empty line behind it", reply("> a\nstop"), "stop"],
  ["a quotation with an empty line of its own", reply("> a\n>\n> b\n\nstop"), "stop"],
  ["text that begins with a sign like a quotation's", reply(">a\n\nstop"), ">a\n\nstop"],
];
for (const [name, content, text] of texts) {
  t.test(name, async (t) => {
    t.equal(textOf(content), text);
  });
}

t.test("an edit is one by its relation or by its new content", async (t) => {
  t.equal(isEdit({ "m.relates_to": { rel_type: "m.replace", event_id: "$a" } }), true);
  t.equal(isEdit({ "m.new_content": {} }), true);
  t.equal(isEdit({ "m.relates_to": { rel_type: "m.thread", event_id: "$a" } }), false);
});

t.test("a reaction without an event, or of another type, refreshes nothing", async (t) => {
  const relation = { rel_type: "m.annotation", event_id: "$a", key: "🔄" };
  t.same(reactionOf({ "m.relates_to": relation }), { to: "$a", kind: "refresh" });
  t.same(reactionOf({ "m.relates_to": { ...relation, key: "👍🏿" } }), { to: "$a", kind: "confirm" });
  t.equal(reactionOf({ "m.relates_to": { ...relation, event_id: undefined } }), undefined);
  t.equal(reactionOf({ "m.relates_to": { ...relation, rel_type: "m.reference" } }), undefined);
  t.equal(reactionOf({}), undefined);
});

const BOT = "@bot:x";
const mentions = (user_ids: unknown) => ({ "m.mentions": { user_ids } });
const inReply = { "m.in_reply_to": { event_id: "$a" } };
const inThread = { rel_type: "m.thread", event_id: "$root", ...inReply };
const relations: [string, Record<string, unknown>, object][] = [
  ["nothing", {}, { mentioned: false }],
  ["a mention", mentions(["@eve:x", BOT]), { mentioned: true }],
  ["a mention of others", mentions(["@eve:x", 1]), { mentioned: false }],
  ["mentions that are no list", mentions(BOT), { mentioned: false }],
  ["a reply", { "m.relates_to": inReply }, { mentioned: false, replyTo: "$a" }],
  [
    "a thread",
    { "m.relates_to": { ...inThread, is_falling_back: true } },
    { mentioned: false, thread: "$root" },
  ],
  ["a reply in a thread", { "m.relates_to": inThread }, { mentioned: false, replyTo: "$a", thread: "$root" }],
  ["a reply to nothing", { "m.relates_to": { "m.in_reply_to": null } }, { mentioned: false }],
  [
    "a thread without a root",
    { "m.relates_to": { rel_type: "m.thread", event_id: 1 } },
    { mentioned: false },
  ],
  ["relations that are no object", { "m.relates_to": "x" }, { mentioned: false }],
];
for (const [name, content, expected] of relations) {
  t.same(relationsOf(content, BOT), expected, `whom a message mentions and answers: ${name}`);
}

t.test("a redaction names its event in the content, in older rooms beside it", async (t) => {
  t.equal(redactedBy({ content: { redacts: "$a" } }), "$a");
  t.equal(redactedBy({ redacts: "$b", content: { reason: "a slip" } }), "$b");
  t.equal(redactedBy({ redacts: "$b", content: { redacts: "$a" } }), "$a");
  t.equal(redactedBy({ content: { redacts: 1 } }), undefined);
});
