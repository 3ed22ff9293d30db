// SPDX-License-Identifier: Apache-2.0
// Kills a bot at points where it touches disk, API server or homeserver while others change the Toggles, and checks what
// follows.
import { commandOf } from "../../server/bot/command.ts";
import { entryOf } from "../../server/bot/journal.ts";
import { transactionOf } from "../../server/bot/outbox.ts";
import { ALICE, BOB, Killed, makeWorld, OTHER_ROOM, ROOM, toggleNamed, type World } from "./world.ts";

/** Texts that switch something. */
export const COMMANDS = ["stop", "start", "start 1h", "stop api", "start api 2h"] as const;
/** Texts that don't. */
export const OTHERS = ["status", "list", "help", "what is this", "start web 3x", "stop nothing"] as const;

/** What happens in the world. */
export type Action =
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

type Sent = { message: ReturnType<World["message"]>; reason: string };

/** A conversation with a bot that is killed and comes back. */
class Play {
  readonly world: World = makeWorld([toggleNamed("web"), toggleNamed("api")]);
  readonly sent: Sent[] = [];
  /** How many points there were. */
  points = 0;
  readonly #kills: { after: number; away: number }[];
  /** Points until the next kill. */
  #budget = 0;
  #bot: ReturnType<World["live"]>;

  constructor(kills: Kills) {
    this.#kills = [...kills];
    this.#bot = this.#live();
  }

  #live(): ReturnType<World["live"]> {
    this.#budget = this.#kills[0]?.after ?? Infinity;
    return this.world.live(() => {
      this.points += 1;
      this.#budget -= 1;
      return this.#budget >= 0;
    });
  }

  async start(): Promise<void> {
    orDie(() => this.#bot.runner.start());
    await this.revive();
  }

  /** Starts the bot anew, after the time that it is away, until it lives. */
  async revive(): Promise<void> {
    while (!this.#bot.life.alive) {
      await this.world.pass(this.#kills.shift()?.away ?? 0);
      this.#bot = this.#live();
      orDie(() => this.#bot.runner.start());
      this.#sync();
      await this.world.pass(0);
    }
  }

  async say({ text, other }: Extract<Action, { do: "say" }>): Promise<void> {
    const reason = `r${this.sent.length}`;
    const switches = COMMANDS.some((one) => one === text);
    const who = { sender: other ? BOB : ALICE, room: other ? OTHER_ROOM : ROOM };
    const message = this.world.message(switches ? `${text} because ${reason}` : text, who);
    this.sent.push({ reason, message });
    this.#sync();
    await this.world.pass(0);
  }

  /** One sync: all that the homeserver has since the stored position. */
  #sync(): void {
    const position = Number(this.world.disk.get(SYNC)?.toString() ?? "0");
    const { runner, store } = this.#bot;
    orDie(() => {
      for (const { message } of this.sent.slice(position)) runner.accept(message, { resumed: true });
      if (position !== this.sent.length) store.put("sync", "token", String(this.sent.length));
    });
  }
}

/** Does what may end with the bot. */
const orDie = (work: () => void): void => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
};

const act = async (play: Play, action: Action): Promise<void> => {
  const { world } = play;
  switch (action.do) {
    case "say":
      return play.say(action);
    case "kubectl":
      world.edit(action.name, { enabled: action.enabled });
      return;
    case "hook":
      return world.becomes(action.name, action.phase);
    case "delete":
      return world.remove(action.name);
    case "create":
      return world.create(action.name);
    case "pass":
      return world.pass(action.ms);
    case "api":
      world.mood.api = action.mood;
      return;
    case "chat":
      world.mood.chat = action.mood;
  }
};

/** Plays `actions` on a bot that is killed as `kills` says; answers with what is wrong, and how many points there were. */
export const play = async (
  actions: readonly Action[],
  kills: Kills,
): Promise<{ faults: string[]; points: number; world: World }> => {
  const played = new Play(kills);
  const { world, sent } = played;
  await played.start();
  for (const action of actions) {
    await act(played, action);
    await played.revive();
  }
  world.mood.api = "up";
  world.mood.chat = "up";
  // Until progress is over, with what kills are left.
  for (let round = 0; round < 3 + kills.length; round++) {
    await world.pass(700_000);
    await played.revive();
  }
  const faults = [
    ...sent.flatMap((one) => faultsOf(world, one)),
    ...orderFaults(world, sent),
    ...countFaults(world, sent),
    ...newsFaults(world, sent),
    ...leftOver(world),
  ];
  return { faults, points: played.points, world };
};

const answerTo = ({ said }: World, { message }: Sent) =>
  said.find(({ transaction }) => transaction === transactionOf(message.id, "answer"));

/** What is wrong with one message's effects and answer. */
const faultsOf = (world: World, one: Sent): string[] => {
  const { message, reason } = one;
  const effects = world.effects.filter((effect) => effect === reason).length;
  const first = world.effects.indexOf(reason);
  const answer = answerTo(world, one);
  const said = answer?.text ?? "";
  const { verb } = commandOf(message.text);
  const isClaimed = /^(web|api) is switching/.test(said) && (verb === "start" || verb === "stop");
  const checks: [fault: string, isFault: boolean][] = [
    ["twice", effects > 1],
    ["too late", (world.effectTimes[first] ?? 0) - message.sentAt > LATEST_MS],
    ["silent", answer === undefined && effects > 0],
    ["denied", /was not run/.test(said) && effects > 0],
    // It may have been deleted after it was switched, but not switched after it was said not to be there.
    ["denied, then done", /There is no/.test(said) && (world.effectSteps[first] ?? 0) > (answer?.step ?? 0)],
    ["claimed", isClaimed && effects !== 1],
  ];
  const about = `${message.text}: ${answer?.text ?? "no answer"} (${effects} effects)`;
  return checks.filter(([, isFault]) => isFault).map(([fault]) => `${fault}: ${about}`);
};

/** The commands of a room for a Toggle that took effect in another order than they were said. */
const orderFaults = (world: World, sent: readonly Sent[]): string[] =>
  [ROOM, OTHER_ROOM].flatMap((room) =>
    ["web", "api"].flatMap((name) => {
      const isAbout = (text: string) => / api /.test(text) === (name === "api");
      const order = world.effects
        .map((reason) => sent.findIndex((one) => one.reason === reason))
        .filter((index) => sent[index]?.message.room === room && isAbout(sent[index]?.message.text ?? ""));
      const isWrong = order.some((index, place) => index < (order[place - 1] ?? 0));
      return isWrong ? [`out of order: ${order}`] : [];
    }),
  );

/** Each command without an answer is told as missed, and nothing is shown twice. */
const countFaults = (world: World, sent: readonly Sent[]): string[] => {
  const missed = world.said
    .filter(({ transaction }) => transaction.endsWith("-missed"))
    .reduce((sum, { text }) => sum + Number(/^\d+/.exec(text)?.[0]), 0);
  const isCommand = ({ message }: Sent) =>
    !["help", "unknown", "refused"].includes(commandOf(message.text).verb);
  const unanswered = sent.filter((one) => answerTo(world, one) === undefined && isCommand(one)).length;
  const transactions = world.said.map(({ transaction }) => transaction);
  return [
    ...(unanswered === missed ? [] : [`${unanswered} without an answer, ${missed} told as missed`]),
    ...(new Set(transactions).size === transactions.length ? [] : ["shown twice"]),
  ];
};

/** What was told to people that is neither the one last word on a switch that took effect, nor about a time that was set. */
const newsFaults = ({ told, effects }: World, sent: readonly Sent[]): string[] =>
  told.flatMap(({ text, room, mentions, transaction }, place) => {
    const isTime = /-expir(?:ing|ed)$/.test(transaction);
    const one = sent.find(({ message }) => transaction === transactionOf(message.id, "last"));
    const isTo = one?.message.room === room && mentions.join() === one.message.sender;
    const isOnce = told.findIndex((other) => other.transaction === transaction) === place;
    const isNews = one !== undefined && effects.includes(one.reason) && !/Changed again/.test(text);
    return isOnce && (isTime || (isTo && isNews)) ? [] : [`no last word: ${text}`];
  });

/** What is on the disk although nothing is to be done any more. */
const leftOver = ({ disk }: World): string[] =>
  [...disk]
    .filter(([key]) => key !== SYNC && !/^(?:said|switches)\n/.test(key))
    .map(([key, bytes]) => (key.startsWith("commands\nm:") ? entryOf(bytes)?.step.state : key))
    .filter((state) => state !== "done")
    .map((state) => `left over: ${state}`);
