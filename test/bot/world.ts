// SPDX-License-Identifier: Apache-2.0
// Simulates a world for chat commands: a homeserver, an API server and a disk that outlive a bot, which can be killed at any
// call.
import type { Phase, Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";
import { createAccess } from "../../server/bot/access.ts";
import type { Authorship, Message, MessageContext } from "../../server/bot/chat.ts";
import { type CommandRunner, createRunner, type RunnerOptions } from "../../server/bot/runner.ts";
import { toggleNamed } from "./toggle-named.ts";
import { chatOf, clockOf, Outside, storeOf, togglesOf } from "./world-doubles.ts";
import { WorldState } from "./world-state.ts";

export { toggleNamed } from "./toggle-named.ts";
export { Killed } from "./world-doubles.ts";
export { START } from "./world-state.ts";

const BOT = "@bot:example.org";
export const ALICE = "@alice:example.org";
export const BOB = "@bob:example.org";
export const ROOM = "!room:example.org";
export const OTHER_ROOM = "!other:example.org";

/** Of a message; without more it is said in a room of two. */
type MessageOptions = Partial<MessageContext> & {
  room?: string;
  sender?: string;
  age?: number;
  authorship?: Authorship;
};

/** A world with these Toggles, at START. */
export const makeWorld = (some: readonly Toggle[] = [toggleNamed("web")]) => {
  const state = new WorldState(some);
  const { toggles, effects, effectTimes, effectSteps, said, reactions, mood, disk } = state;
  const commands: { verb: string; outcome: string }[] = [];
  const refused: string[] = [];
  const unsent: string[] = [];
  const logged: { fields: unknown; message: string }[] = [];
  const log = (fields: unknown, message: string) => logged.push({ fields, message });

  /** A bot on this world; `mayGoOn` answers false at the point where it is killed. */
  const live = (mayGoOn: () => boolean = () => true, options: Partial<RunnerOptions> = {}) => {
    const outside = new Outside(mayGoOn);
    const store = storeOf(state, outside);
    const chat = chatOf(state, outside);
    const clock = clockOf(state, outside);
    const double = togglesOf(state, outside);
    const runner: CommandRunner = createRunner({
      store,
      chat,
      toggles: double,
      access: createAccess([ALICE, BOB]),
      clock,
      defaultName: "web",
      maxAgeSeconds: 120,
      echo: false,
      addressing: { mode: "auto", prefix: "!", bare: false },
      timeZone: "UTC",
      metrics: {
        command: (verb, outcome) => commands.push({ verb, outcome }),
        patched: () => {},
        answered: () => {},
        refused: (reason) => refused.push(reason),
        sendRefused: (code) => unsent.push(code),
      },
      logger: { info: log, warn: log, error: log },
      ...options,
    });
    return { runner, life: outside.life, toggles: double, chat, store, clock };
  };

  let messages = 0;
  return {
    live,
    toggles,
    effects,
    effectTimes,
    effectSteps,
    said,
    told: state.told,
    reactions,
    mood,
    commands,
    refused,
    unsent,
    logged,
    disk,
    edit: (name: string, spec: Partial<ToggleSpec>, manager?: string) => state.edit(name, spec, manager),
    becomes: (name: string, phase: Phase, counts?: Partial<Record<string, unknown>>) =>
      state.becomes(name, phase, counts),
    remove: (name: string) => state.remove(name),
    create: (name: string) => state.create(name),
    now: () => state.now(),
    pass: (ms: number) => state.pass(ms),
    message: (
      text: string,
      { room = ROOM, sender = ALICE, age = 0, authorship = "proven", ...rest }: MessageOptions = {},
    ): Message => {
      messages += 1;
      const context = { direct: true, names: [BOT, "bot"], mentioned: false, ...rest };
      return {
        id: `$message${messages}`,
        room,
        sender,
        text,
        sentAt: state.now() - age,
        authorship,
        context,
      };
    },
  };
};
export type World = ReturnType<typeof makeWorld>;
