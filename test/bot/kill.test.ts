// SPDX-License-Identifier: Apache-2.0
// Kills the bot at every access to disk, API server or homeserver while others change the Toggles: no command takes effect
// twice, and each is answered once.
import fc from "fast-check";
import t from "tap";
import { commandOf } from "../../server/bot/command.ts";
import { entryOf } from "../../server/bot/journal.ts";
import { transactionOf } from "../../server/bot/outbox.ts";
import { ALICE, BOB, Killed, makeWorld, OTHER_ROOM, ROOM, toggleNamed, type World } from "./world.ts";

const COMMANDS = ["stop", "start", "start 1h", "stop api", "start api 2h"] as const;
const OTHERS = ["status", "list", "help", "what is this", "start web 3x", "stop nothing"] as const;

type Action =
  | { do: "say"; text: (typeof COMMANDS)[number] | (typeof OTHERS)[number]; other: boolean }
  | { do: "kubectl"; name: string; enabled: boolean }
  | { do: "hook"; name: string; phase: "Off" | "Running" | "Starting" | "Stopping" }
  | { do: "delete" | "create"; name: string }
  | { do: "pass"; ms: number }
  | { do: "api"; mood: "up" | "unavailable" | "applies, then fails" | "applies late" | "hangs" }
  | { do: "chat"; mood: "up" | "away" };

/** Kills after so many points each, and how long the bot is away then. */
type Kills = readonly { after: number; away: number }[];

/** The age that a command may have, the time that it has at the API server, and what a late call may take there. */
const LATEST_MS = 120_000 + 5_000 + 8_000;

const SYNC = "sync\ntoken";

/** Plays `actions` on a bot that is killed as `kills` says; answers with what is wrong, and how many points there were. */
const play = async (actions: readonly Action[], kills: Kills) => {
  const world: World = makeWorld([toggleNamed("web"), toggleNamed("api")]);
  const sent: { message: ReturnType<World["message"]>; reason: string }[] = [];
  const left = [...kills];
  let points = 0;
  let budget = left[0]?.after ?? Infinity;
  const mayGoOn = () => {
    points += 1;
    budget -= 1;
    return budget >= 0;
  };
  const position = () => Number(world.disk.get(SYNC)?.toString() ?? "0");
  const tokenStored = (bot: ReturnType<World["live"]>, value: number) =>
    bot.store.put("sync", "token", String(value));
  const orDie = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  };
  let bot = world.live(mayGoOn);
  /** One sync: all that the homeserver has since the stored position. */
  const sync = () =>
    orDie(() => {
      for (const { message } of sent.slice(position())) bot.runner.accept(message, { resumed: true });
      if (position() !== sent.length) tokenStored(bot, sent.length);
    });
  const revive = async () => {
    while (!bot.life.alive) {
      await world.pass(left.shift()?.away ?? 0);
      budget = left[0]?.after ?? Infinity;
      bot = world.live(mayGoOn);
      orDie(() => bot.runner.start());
      sync();
      await world.pass(0);
    }
  };
  orDie(() => bot.runner.start());
  await revive();
  for (const action of actions) {
    switch (action.do) {
      case "say": {
        const reason = `r${sent.length}`;
        const switches = COMMANDS.some((text) => text === action.text);
        sent.push({
          reason,
          message: world.message(switches ? `${action.text} because ${reason}` : action.text, {
            sender: action.other ? BOB : ALICE,
            room: action.other ? OTHER_ROOM : ROOM,
          }),
        });
        sync();
        await world.pass(0);
        break;
      }
      case "kubectl":
        world.edit(action.name, { enabled: action.enabled });
        break;
      case "hook":
        world.becomes(action.name, action.phase);
        break;
      case "delete":
        world.remove(action.name);
        break;
      case "create":
        world.create(action.name);
        break;
      case "pass":
        await world.pass(action.ms);
        break;
      case "api":
        world.mood.api = action.mood;
        break;
      case "chat":
        world.mood.chat = action.mood;
    }
    await revive();
  }
  world.mood.api = "up";
  world.mood.chat = "up";
  // Until progress is over, with what kills are left.
  for (let round = 0; round < 3 + kills.length; round++) {
    await world.pass(700_000);
    await revive();
  }
  const faults: string[] = [];
  const missed = world.said
    .filter(({ transaction }) => transaction.endsWith("-missed"))
    .reduce((sum, { text }) => sum + Number(/^\d+/.exec(text)?.[0]), 0);
  let unanswered = 0;
  for (const { message, reason } of sent) {
    const effects = world.effects.filter((one) => one === reason).length;
    const answer = world.said.find(({ transaction }) => transaction === transactionOf(message.id, "answer"));
    const about = `${message.text}: ${answer?.text ?? "no answer"} (${effects} effects)`;
    if (effects > 1) faults.push(`twice: ${about}`);
    const at = world.effectTimes[world.effects.indexOf(reason)] ?? 0;
    if (at - message.sentAt > LATEST_MS) faults.push(`too late: ${about}`);
    const { verb } = commandOf(message.text);
    const isCommand = !["help", "unknown", "refused"].includes(verb);
    if (answer === undefined && isCommand) unanswered += 1;
    if (answer === undefined && effects > 0) faults.push(`silent: ${about}`);
    const said = answer?.text ?? "";
    if (/was not run/.test(said) && effects > 0) faults.push(`denied: ${about}`);
    // It may have been deleted after it was switched, but not switched after it was said not to be there.
    const step = world.effectSteps[world.effects.indexOf(reason)] ?? 0;
    if (/There is no/.test(said) && step > (answer?.step ?? 0)) faults.push(`denied, then done: ${about}`);
    if (/^(web|api) is switching/.test(said) && (verb === "start" || verb === "stop") && effects !== 1) {
      faults.push(`claimed: ${about}`);
    }
  }
  for (const [room, name] of [ROOM, OTHER_ROOM].flatMap((room) => [
    [room, "web"] as const,
    [room, "api"] as const,
  ])) {
    const isAbout = (text: string) => / api /.test(text) === (name === "api");
    const order = world.effects
      .map((reason) => sent.findIndex((one) => one.reason === reason))
      .filter((index) => sent[index]?.message.room === room && isAbout(sent[index]?.message.text ?? ""));
    if (order.some((index, place) => index < (order[place - 1] ?? 0))) faults.push(`out of order: ${order}`);
  }
  if (unanswered !== missed) faults.push(`${unanswered} without an answer, ${missed} told as missed`);
  const transactions = world.said.map(({ transaction }) => transaction);
  if (new Set(transactions).size !== transactions.length) faults.push("shown twice");
  for (const [key, bytes] of world.disk) {
    if (key === SYNC) continue;
    const state = key.startsWith("commands\nm:") ? entryOf(bytes)?.step.state : key;
    if (state !== "done") faults.push(`left over: ${state}`);
  }
  return { faults, points, world };
};

const conversation: Action[] = [
  { do: "say", text: "stop", other: false },
  { do: "hook", name: "web", phase: "Stopping" },
  { do: "pass", ms: 1000 },
  { do: "hook", name: "web", phase: "Off" },
  { do: "pass", ms: 1000 },
  { do: "say", text: "start 1h", other: true },
  { do: "say", text: "status", other: false },
  { do: "kubectl", name: "web", enabled: false },
  { do: "say", text: "stop nothing", other: false },
  { do: "pass", ms: 2000 },
];

for (const away of [0, 200_000]) {
  for (const api of ["up", "applies, then fails"] as const) {
    const title = `killed at each point of a conversation, away for ${away / 1000} s, API server ${api}`;
    t.test(`${title}: nothing twice, nothing lost`, async (t) => {
      const actions: Action[] = [{ do: "api", mood: api }, ...conversation];
      const whole = await play(actions, []);
      t.same(whole.faults, []);
      t.ok(whole.points > 40, `${whole.points} points`);
      for (let after = 0; after < whole.points; after++) {
        const { faults } = await play(actions, [{ after, away }]);
        if (faults.length > 0) t.fail(`killed after ${after} points: ${faults.join("; ")}`);
      }
    });
  }
}

t.test("killed at each point of a switch, its one answer ends with the truth", async (t) => {
  const actions: Action[] = [
    { do: "say", text: "stop", other: false },
    { do: "hook", name: "web", phase: "Stopping" },
    { do: "pass", ms: 1000 },
    { do: "hook", name: "web", phase: "Off" },
    { do: "pass", ms: 1000 },
  ];
  const { points } = await play(actions, []);
  for (let after = 0; after < points; after++) {
    const { faults, world } = await play(actions, [{ after, away: 0 }]);
    t.same(faults, []);
    const [answer] = world.said;
    // Where the kill came before the patch, the hook that saw the old spec is the last that ran.
    const state =
      world.toggles.get("web")?.status?.observedGeneration === 2 ? /^web is off:/ : /^web is switching off…/;
    t.match(answer?.edits.at(-1) ?? answer?.text, state, `killed after ${after} points`);
    t.equal(world.said.length, 1);
  }
});

const name = fc.constantFrom("web", "api");
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("say" as const),
      text: fc.constantFrom(...COMMANDS, ...COMMANDS, ...OTHERS),
      other: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("kubectl" as const), name, enabled: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("hook" as const),
      name,
      phase: fc.constantFrom("Off" as const, "Running" as const, "Starting" as const, "Stopping" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("delete" as const, "create" as const, "create" as const),
      name,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(10, 1000, 6000, 130_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("api" as const),
      mood: fc.constantFrom(
        "up" as const,
        "up" as const,
        "unavailable" as const,
        "applies, then fails" as const,
        "applies late" as const,
        "hangs" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("chat" as const),
      mood: fc.constantFrom("up" as const, "away" as const),
    }),
  },
);

t.test("random conversations, killed several times: nothing twice, nothing lost", async (t) => {
  const kills = fc.array(
    fc.record({ after: fc.nat(30), away: fc.constantFrom(0, 0, 5_000, 200_000, 90_000_000) }),
    { maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 12 }), kills, async (actions, kills) => {
      const { faults } = await play(actions, kills);
      if (faults.length > 0) throw new Error(faults.join("; "));
    }),
    { numRuns: 300 },
  );
  t.pass("none");
});
