// SPDX-License-Identifier: Apache-2.0
// Tests which lines are said to the bot, by table: in a direct room, and in a shared one.
import t from "tap";
import { type Addressing, addressedText } from "../../server/bot/addressing.ts";
import type { MessageContext } from "../../server/bot/chat.ts";

const BOT = "@keyswitch:example.org";
const auto: Addressing = { mode: "auto", prefix: "!", bare: false };
const withDefault: Addressing = { ...auto, bare: true };
const OWN = "$own";
const view = { isOwn: (event: string) => event === OWN, isToggle: (name: string) => name === "web" };

const said = (text: string, more: Partial<MessageContext>, settings: Addressing): string | undefined => {
  const names = [BOT, "keyswitch", "Key Switch"];
  return addressedText(
    { text, context: { direct: false, names, mentioned: false, ...more } },
    settings,
    view,
  );
};

type Row = [text: string, says: string | undefined, more?: Partial<MessageContext>];
const mentioned = { mentioned: true };
const link = `[Key Switch](https://matrix.to/#/${BOT})`;

/** In a shared room. */
const shared: Row[] = [
  ["hello everybody", undefined],
  ["stop", undefined],
  ["status", undefined],
  ["help", undefined],
  ["stop the music", undefined],
  ["we should stop web", undefined],
  ["stop web and have lunch", undefined],
  ["start 2h", undefined],
  ["stop web", "stop web"],
  ["Start Web 2h because of the sale", "Start Web 2h because of the sale"],
  ["status web", "status web"],
  ["stop other", undefined],
  ["stop web", "stop web", { replyTo: "$other" }],
  ["!stop", "stop"],
  ["!status web", "status web"],
  ["!what", "what"],
  ["!!!", undefined],
  ["! really", undefined],
  ["!", undefined],
  ["@keyswitch stop", "stop"],
  ["@Keyswitch: stop", "stop"],
  ["keyswitch: stop", "stop"],
  ["Key Switch, stop", "stop"],
  ["@key switch help", "help"],
  [`${BOT} stop`, "stop"],
  [`${BOT}: stop`, "stop"],
  ["@keyswitch:other.org stop", undefined],
  ["keyswitch stop", undefined],
  ["keyswitches: stop", undefined],
  ["@keyswitches stop", undefined],
  ["keyswitch: yes or no?", "yes or no?"],
  ["ask keyswitch: stop", undefined],
  ["keyswitch stop", "stop", mentioned],
  ["Key Switch: stop", "stop", mentioned],
  ["stop web, keyswitch", "stop web", mentioned],
  ["stop", "stop", mentioned],
  [`${link} stop`, "stop", mentioned],
  [`${link}: stop`, "stop", mentioned],
  ["[Bob](https://matrix.to/#/@bob:example.org) stop", undefined],
  ["stop", "stop", { replyTo: OWN }],
  ["why?", "why?", { replyTo: OWN }],
  ["stop", undefined, { replyTo: "$other" }],
  ["are you sure?", undefined, { replyTo: "$other", mentioned: true }],
  ["@keyswitch stop", "stop", { replyTo: "$other", mentioned: true }],
  ["stop", "stop", { thread: OWN }],
  ["why?", "why?", { thread: OWN }],
  ["stop", undefined, { thread: "$other" }],
  ["", undefined],
];
for (const [text, says, more = {}] of shared) {
  t.equal(said(text, more, auto), says, `shared: ${text} ${JSON.stringify(more)}`);
}

for (const word of ["start", "STOP", " on ", "off"]) {
  t.equal(said(word, {}, withDefault), word.trim(), `${word} with DEPLOYMENT_NAME`);
  t.equal(said(word, { replyTo: "$other" }, withDefault), undefined, `${word} to somebody else`);
}
for (const text of ["status", "stop it", "come on", "off you go", "stop!"]) {
  t.equal(said(text, {}, withDefault), undefined, `${text} with DEPLOYMENT_NAME`);
}

for (const [text, says] of [
  ["stop", "stop"],
  ["hello", "hello"],
  ["!stop", "stop"],
  ["keyswitch: stop", "stop"],
] as const) {
  t.equal(said(text, { direct: true }, auto), says, `direct: ${text}`);
  t.equal(said(text, { direct: true, replyTo: "$other" }, auto), says, `direct, a reply: ${text}`);
  t.equal(said(text, {}, { ...auto, mode: "always" }), says, `always: ${text}`);
}

const mention: Addressing = { ...withDefault, mode: "mention" };
for (const text of ["stop web", "stop", "hello"]) {
  t.equal(said(text, {}, mention), undefined, `mention: ${text}`);
}
t.equal(said("stop", { direct: true }, mention), "stop", "mention: in a direct room");
for (const [text, more] of [
  ["!stop", {}],
  ["keyswitch: stop", {}],
  ["stop", mentioned],
  ["stop", { replyTo: OWN }],
  ["stop", { thread: OWN }],
] as const) {
  t.equal(said(text, more, mention), "stop", `mention: ${text} ${JSON.stringify(more)}`);
}

t.test("a prefix of one's own", async (t) => {
  const with_ = (prefix: string): Addressing => ({ ...auto, prefix });
  t.equal(said("ks stop", {}, with_("ks")), "stop");
  t.equal(said("KS stop", {}, with_("ks")), "stop");
  t.equal(said("ksstop", {}, with_("ks")), undefined, "a word needs a space");
  t.equal(said("..stop", {}, with_("..")), "stop");
  t.equal(said("!stop", {}, with_("..")), undefined);
});
