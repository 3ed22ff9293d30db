// SPDX-License-Identifier: Apache-2.0
// Tests commands that wait for the approval of others: who counts, what is said, and what is in the Toggle's reason.
import t from "tap";
import { ALLOWED_USERS_ANNOTATION } from "../../server/bot/access.ts";
import { APPROVALS_ANNOTATION } from "../../server/bot/approval.ts";
import { CAROL, codeOf, DAVE, REASON, setUp, shown } from "./approval-scene.ts";
import { ALICE, BOB, OTHER_ROOM, ROOM } from "./world.ts";

t.test("a stop waits for two others, and its reason names them", async (t) => {
  const scene = setUp();
  const { world, say } = scene;
  await say("stop web because of the sale");
  const code = codeOf(scene);
  const question = `${ALICE} asks for: stop web because of the sale
This waits for 2 other users who may do it too. To approve, write here within 10 minutes: approve ${code}
A reaction is not encrypted, so it can't count.`;
  t.equal(scene.questions()[0]?.text, question);
  await say(`approve ${code}`, BOB);
  t.same([world.effects, world.said.length], [[], 1]);
  t.equal(shown(scene), `${question}\n1 of 2: ${BOB}`);
  await say(`approve ${code}`, BOB);
  t.same(world.effects, [], "the same user once");
  await world.pass(120_000);
  t.equal(await say(`👍 ${code.toUpperCase()}.`, CAROL), "web is switching off…");
  t.same(world.effects, [`of the sale; approved by ${BOB}, ${CAROL}`]);
  t.match(world.toggles.get("web")?.spec, { enabled: false, requestedBy: ALICE });
  t.equal(shown(scene), `stop web because of the sale: approved by ${BOB}, ${CAROL}.`);
  t.match(world.logged, [
    { fields: { verb: "stop", room: ROOM, sender: ALICE, approvedBy: [BOB, CAROL] } },
    { fields: { outcome: "switched" } },
  ]);
  await world.pass(600_000);
  t.equal(shown(scene), `stop web because of the sale: approved by ${BOB}, ${CAROL}.`);
  t.equal(world.effects.length, 1);
});

t.test("whose approval does not count, and what they are told", async (t) => {
  const scene = setUp();
  const { world, say, annotate } = scene;
  annotate("web", { [APPROVALS_ANNOTATION]: "1", [ALLOWED_USERS_ANNOTATION]: `${ALICE}, ${BOB}` });
  await say("stop web");
  const line = `approve ${codeOf(scene)}`;
  t.match(await say(line), /^Your own approval doesn't count/);
  t.match(
    await say(line, BOB, { authorship: "unproven" }),
    /^Your approval doesn't count: I can't be certain/,
  );
  t.equal(await say(line, CAROL), "Nothing waits here for that approval any more.", "not for this Toggle");
  t.equal(
    await say(line, BOB, { room: OTHER_ROOM, direct: true }),
    "Nothing waits here for that approval any more.",
  );
  t.equal(
    await say("approve 2b3c4", BOB, { mentioned: true }),
    "Nothing waits here for that approval any more.",
  );
  t.equal(await say("approve", BOB), `To approve “stop web”, write: ${line}`);
  const before = world.said.length;
  await say(line, "@mallory:example.org");
  await say("2b3c4", BOB);
  await say("ok", BOB);
  await say("I approve of lunch", BOB);
  t.equal(world.said.length, before, "small talk, and strangers");
  t.same(world.effects, []);
  await say(line, BOB);
  t.same(world.effects, [`${REASON}; approved by ${BOB}`]);
  t.equal(await say(line, BOB, { replyTo: "$answer0" }), "Nothing waits here for that approval any more.");
});

t.test("in a room that is not encrypted a reaction and a reply approve", async (t) => {
  const scene = setUp();
  const { world, say, react, redact } = scene;
  await say("stop web", ALICE, { authorship: "plain" });
  t.match(
    scene.questions()[0]?.text,
    /To approve, react with 👍 to this within 10 minutes, or write here: approve/,
  );
  await react(ALICE);
  await react("@mallory:example.org");
  await react(BOB);
  await react(BOB, "plain", "$another");
  t.match(shown(scene), /\n1 of 2: @bob:example\.org$/);
  await redact(`$by-${BOB}`);
  t.notMatch(shown(scene), /of 2/, "taken back");
  await react(BOB);
  t.notMatch(shown(scene), /of 2/, "the same event counts no more");
  await say("yes", CAROL, { authorship: "plain", replyTo: "$answer0" });
  await react(BOB, "plain", "$third");
  t.same(world.effects, [`${REASON}; approved by ${CAROL}, ${BOB}`]);
});

t.test("in an encrypted room a reaction is answered with what counts, once", async (t) => {
  const scene = setUp();
  const { world, say, react } = scene;
  await say("stop web");
  for (const authorship of ["unproven", "proven", "unproven"] as const) await react(BOB, authorship);
  await react(ALICE, "unproven");
  t.same(scene.questions()[0]?.edits, []);
  t.same(
    scene.answers().map(({ text }) => text),
    [
      `${BOB}: a reaction is not encrypted, so I can't be certain that it is yours. To approve “stop web”, write: approve ${codeOf(scene)}`,
    ],
  );
  t.same(world.effects, []);
});

t.test("an annotation that can't be read, or can't be met, is told, and nothing is asked", async (t) => {
  for (const text of ["two", "0", "-1", "1.5", "100", "11", "1e1", "", "2 3", "٢"]) {
    const scene = setUp({ web: "1" });
    scene.annotate("web", { [APPROVALS_ANNOTATION]: text });
    t.match(
      await scene.say("stop web"),
      /^The annotation toggle\.j5t\.io\/approvals of web is “.*”: it has to be/,
      text,
    );
    t.same([scene.questions(), scene.world.effects], [[], []], text);
  }
  const many = setUp({ web: "4" });
  t.equal(
    await many.say("stop web"),
    "web needs the approval of 4 other users who may switch it here, and there are 3. Nothing was switched.",
  );
  const direct = setUp();
  t.match(await direct.say("stop web", ALICE, { direct: true }), /nobody else is in this room/);
  t.same([many.world.effects, direct.world.effects], [[], []]);
});

t.test(
  "start, restart, and switches for later wait too; status and what changes nothing do not",
  async (t) => {
    for (const [text, asked] of [
      ["start web 90m", "start web for 1h30m"],
      ["start web until 18:00", "start web until 18:00"],
      ["stop web in 2d", "stop web in 2d"],
      ["stop web at 18:00", "stop web at 18:00"],
      ["restart web", "restart web"],
      ["stop all", "stop web"],
    ] as const) {
      const scene = setUp({ web: "1" });
      await scene.say(text, ALICE, { mentioned: true });
      t.match(scene.questions()[0]?.text, `asks for: ${asked}\n`);
      t.same(scene.world.effects, []);
      await scene.say(`approve ${codeOf(scene)}`, BOB);
      t.equal(scene.world.effects.length, 1, text);
    }
    const scene = setUp({ web: "1" });
    t.match(await scene.say("status web"), /^web is running/);
    scene.world.edit("web", { enabled: false });
    t.match(await scene.say("restart web"), /^web is switching off/);
    t.same(scene.questions(), []);
  },
);

t.test("of several Toggles each needs its own approvals, by those who may use it", async (t) => {
  const scene = setUp({ web: "2", api: "1", db: "" });
  const { world, say, annotate } = scene;
  annotate("api", { [APPROVALS_ANNOTATION]: "1", [ALLOWED_USERS_ANNOTATION]: `${ALICE}, ${DAVE}` });
  await say("stop all because of a flood", ALICE, { mentioned: true });
  t.match(scene.questions()[0]?.text, /stop api, db, web because of a flood\nThis waits for 2 other users/);
  const line = `approve ${codeOf(scene)}`;
  await say(line, BOB);
  await say(line, CAROL);
  t.match(shown(scene), /\n1 of 2: @bob:example\.org, @carol:example\.org$/);
  t.same(world.effects, []);
  await say(line, DAVE);
  t.same(world.effects, [
    `of a flood; approved by ${DAVE}`,
    `of a flood; approved by ${BOB}, ${CAROL}, ${DAVE}`,
    `of a flood; approved by ${BOB}, ${CAROL}, ${DAVE}`,
  ]);
  t.equal(scene.questions().length, 1, "asked once");
});

t.test("a Toggle that is not seen needs what was asked for", async (t) => {
  const scene = setUp({ web: "1", api: "2" });
  await scene.say("stop web api");
  scene.world.remove("api");
  await scene.say(`approve ${codeOf(scene)}`, BOB);
  t.match(shown(scene), /\n1 of 2: @bob:example\.org$/);
  t.same(scene.world.effects, []);
});

t.test("a confirmed command for all waits where a Toggle has come to need approval", async (t) => {
  const scene = setUp({ web: "", api: "" });
  await scene.say("stop all", ALICE, { mentioned: true });
  scene.annotate("api", { [APPROVALS_ANNOTATION]: "1" });
  await scene.react(ALICE, "unproven");
  t.same(scene.world.effects, []);
  t.match(scene.world.said.at(-1)?.text, /asks for: stop api, web\n/);
});

t.test("a command for more Toggles than a question can name is not asked about", async (t) => {
  const names = Array.from({ length: 200 }, (_, at) => `a-rather-long-name-of-a-shop-in-the-north-${at}`);
  const scene = setUp({ web: "1", ...Object.fromEntries(names.map((name) => [name, ""])) });
  t.match(
    await scene.say("stop all", ALICE, { mentioned: true }),
    /more Toggles than a question can name\. .* Nothing was switched\.$/,
  );
  t.same([scene.questions(), scene.world.effects], [[], []]);
});

t.test("what the annotations say when it is switched counts", async (t) => {
  const raised = setUp({ web: "1" });
  await raised.say("stop web");
  raised.annotate("web", { [APPROVALS_ANNOTATION]: "2" });
  await raised.say(`approve ${codeOf(raised)}`, BOB);
  t.match(shown(raised), /\n1 of 2: @bob/);
  await raised.say(`approve ${codeOf(raised)}`, CAROL);
  t.equal(raised.world.effects.length, 1);

  const broken = setUp({ web: "1" });
  await broken.say("stop web");
  broken.annotate("web", { [APPROVALS_ANNOTATION]: "some" });
  t.match(await broken.say(`approve ${codeOf(broken)}`, BOB), /^The annotation .* of web is “some”/);

  const lost = setUp({ web: "1" });
  await lost.say("stop web");
  lost.annotate("web", { [APPROVALS_ANNOTATION]: "1", [ALLOWED_USERS_ANNOTATION]: `${BOB}, ${CAROL}` });
  t.match(
    await lost.say(`approve ${codeOf(lost)}`, BOB),
    /^There is no Toggle “web” here/,
    "who asked may no more",
  );

  const left = setUp({ web: "2" });
  await left.say("stop web");
  await left.say(`approve ${codeOf(left)}`, BOB);
  left.annotate("web", {
    [APPROVALS_ANNOTATION]: "2",
    [ALLOWED_USERS_ANNOTATION]: `${ALICE}, ${CAROL}, ${DAVE}`,
  });
  await left.say(`approve ${codeOf(left)}`, CAROL);
  t.match(shown(left), /\n1 of 2: @carol/, "who approved may no more");
  t.same(
    [broken, lost, left].map(({ world }) => world.effects),
    [[], [], []],
  );
});
