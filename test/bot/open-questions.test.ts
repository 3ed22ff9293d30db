// SPDX-License-Identifier: Apache-2.0
// Tests that the bare name of a Toggle answers the question which one is meant, of whom it was asked and in the next line alone.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { ALICE, BOB, makeWorld, OTHER_ROOM, toggleNamed } from "./world.ts";

const now = { resumed: false };
const shared = { direct: false };
const makeTwo = () =>
  makeWorld([
    toggleNamed("web"),
    toggleNamed("api"),
    toggleNamed("db", {}, { [ALLOWED_USERS_ANNOTATION]: BOB }),
  ]);
const off = ({ toggles }: ReturnType<typeof makeTwo>) =>
  [...toggles.values()].flatMap(({ metadata, spec }) => (spec.enabled === false ? [metadata.name] : []));

for (const [what, lines, expected] of [
  ["the name", [["api"]], ["api"]],
  ["the name as phones write it", [["Api."]], ["api"]],
  ["another line, then the name", [["status"], ["api"]], []],
  ["an approval of something, then the name", [["approve 23456"], ["api"]], []],
  ["a Toggle that this user may not switch", [["db"]], []],
  ["no name", [["the first"]], []],
  ["somebody else, then the user", [["web", { sender: BOB }], ["api"]], ["api"]],
  ["the name in another room", [["api", { room: OTHER_ROOM }]], []],
] as const) {
  t.test(`answered with ${what}`, async (t) => {
    const world = makeTwo();
    const { runner } = world.live(() => true, { defaultName: "" });
    runner.accept(world.message("stop because of the sale"), now);
    await world.pass(0);
    t.equal(world.said[0]?.text, "Which one? api, web. Just write its name.");
    for (const [text, where = {}] of lines) {
      runner.accept(world.message(text, { sender: ALICE, ...where }), now);
      await world.pass(0);
    }
    t.same(off(world), expected);
    t.same(
      world.effects,
      expected.map(() => "of the sale"),
    );
  });
}

t.test("two minutes later a name is a line like any other", async (t) => {
  const world = makeTwo();
  const { runner } = world.live(() => true, { defaultName: "" });
  runner.accept(world.message("stop"), now);
  await world.pass(120_000);
  runner.accept(world.message("api"), now);
  await world.pass(0);
  t.same(off(world), []);
});

for (const [mode, text, expected] of [
  ["auto", "api", ["api"]],
  ["mention", "api", []],
  ["mention", "!api", ["api"]],
] as const) {
  t.test(`in a shared room with ADDRESSING=${mode}: ${text}`, async (t) => {
    const world = makeTwo();
    const { runner } = world.live(() => true, {
      defaultName: "",
      addressing: { mode, prefix: "!", bare: false },
    });
    runner.accept(world.message("!stop", shared), now);
    await world.pass(0);
    const said = world.said.length;
    const message = world.message(text, shared);
    t.equal(runner.concerns(message), expected.length > 0);
    runner.accept(message, now);
    await world.pass(0);
    t.same(off(world), expected);
    t.equal(world.said.length, said + expected.length);
    runner.accept(world.message("web", shared), now);
    await world.pass(0);
    t.equal(world.said.length, said + expected.length, "small talk draws nothing afterwards");
  });
}

t.test("a reply to somebody else is no answer", async (t) => {
  const world = makeTwo();
  const { runner } = world.live(() => true, { defaultName: "" });
  runner.accept(world.message("!stop", shared), now);
  await world.pass(0);
  runner.accept(world.message("api", { ...shared, replyTo: "$theirs" }), now);
  await world.pass(0);
  t.same(off(world), []);
});
