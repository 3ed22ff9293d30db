// SPDX-License-Identifier: Apache-2.0
// Provides doubles of Chat, Toggles, BotStore and Clock for one bot in the simulated world of chat commands.
import { type Chat, SendRefused } from "../../server/bot/chat.ts";
import type { Area, BotStore } from "../../server/bot/store.ts";
import { FIELD_MANAGER } from "../../server/kubernetes/last-switch.ts";
import type { ToggleResult, Toggles } from "../../server/kubernetes/toggles.ts";
import type { Clock } from "../../server/time.ts";
import { type Life, settle, type WorldState } from "./world-state.ts";

/** Longer than the bot waits for an answer of the API server. */
const LATE_MS = 8_000;

/** What a process did before it was killed ends here. */
export class Killed extends Error {}

/** The way of one bot to the outside: at each point it may be killed. */
export class Outside {
  readonly life: Life = { alive: true };
  readonly #mayGoOn: () => boolean;

  /** `mayGoOn` answers false at the point where the bot is killed. */
  constructor(mayGoOn: () => boolean) {
    this.#mayGoOn = mayGoOn;
  }

  #point(): void {
    if (this.life.alive && !this.#mayGoOn()) this.life.alive = false;
    if (!this.life.alive) throw new Killed();
  }

  /** Does `work` at once, between two points. @throws Killed */
  written<T>(work: () => T): T {
    this.#point();
    const result = work();
    this.#point();
    return result;
  }

  /** The same over a network: nothing that is asked of the outside by a dead process is answered. */
  async asked<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      this.#point();
      const result = await work();
      this.#point();
      return result;
    } catch (error) {
      if (this.life.alive) throw error;
      return new Promise<T>(() => {});
    }
  }
}

export const clockOf = (state: WorldState, { life }: Outside): Clock => ({
  now: () => state.now(),
  after: (ms, action) => state.after(ms, action, life),
});

/** What the API server makes of a call, in its mood. */
const apiCall = async (state: WorldState, work: () => ToggleResult): Promise<ToggleResult> => {
  await settle();
  const { api } = state.mood;
  if (api === "hangs") return new Promise(() => {});
  if (api === "applies late") {
    // It is under way, and arrives whatever becomes of the bot.
    state.after(LATE_MS, work, { alive: true });
    return new Promise(() => {});
  }
  if (api === "applies, then fails") {
    work();
    return { ok: false, why: "unavailable" };
  }
  return api === "up" ? work() : { ok: false, why: api };
};

const found = ({ toggles }: WorldState, name: string): ToggleResult => {
  const toggle = toggles.get(name);
  return toggle === undefined ? { ok: false, why: "not-found" } : { ok: true, toggle };
};

/** A patch as the API server does it, once it has arrived. */
const patched = (
  state: WorldState,
  ...[name, patch, ifGeneration]: Parameters<Toggles["patch"]>
): ToggleResult => {
  const before = state.toggles.get(name);
  if (before === undefined) return found(state, name);
  if (ifGeneration !== undefined && before.metadata.generation !== ifGeneration) {
    return { ok: false, why: "changed" };
  }
  if (patch.until === null) {
    const { until: _, ...spec } = before.spec;
    state.toggles.set(name, { ...before, spec });
  }
  const { until, ...sent } = patch;
  if (state.edit(name, { ...sent, ...(typeof until === "string" && { until }) }, FIELD_MANAGER)) {
    state.effects.push(patch.reason ?? "restart");
    state.effectTimes.push(state.now());
    state.effectSteps.push(state.nextStep());
  }
  return found(state, name);
};

export const togglesOf = (state: WorldState, outside: Outside): Toggles => ({
  namespace: "demo",
  list: () => [...state.toggles.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
  find: (name) => state.toggles.get(name),
  get: (name) => outside.asked(() => apiCall(state, () => found(state, name))),
  patch: (...patch) => outside.asked(() => apiCall(state, () => patched(state, ...patch))),
  subscribe: (listener) => state.subscribe(listener, outside.life),
  state: () => ({ ok: state.mood.watch }),
  close: async () => {},
});

export const chatOf = (state: WorldState, outside: Outside): Chat => {
  const { said, edited } = state;
  const homeserver = (work: () => void) =>
    outside.asked(async () => {
      await settle();
      if (state.mood.chat === "away") throw new Error("away");
      if (state.mood.chat === "mute") throw new SendRefused("M_FORBIDDEN");
      work();
    });
  const send: Chat["send"] = async (room, text, transaction, thread) => {
    const shown = typeof text === "string" ? text : text();
    await homeserver(() => {
      if (said.some((one) => one.transaction === transaction)) return;
      const id = `$answer${said.length}`;
      const where = thread === undefined ? {} : { thread: thread.root };
      said.push({ id, room, text: shown, transaction, ...where, edits: [], step: state.nextStep() });
    });
    const one = said.find((other) => other.transaction === transaction);
    if (one === undefined) throw new Error("it was sent");
    return { room, id: one.id };
  };
  const tell: Chat["tell"] = async (room, news, transaction, thread) => {
    const text = news.text();
    if (text === undefined) return undefined;
    const { told } = state;
    await homeserver(() => {
      if (told.some((one) => one.transaction === transaction)) return;
      const where = thread === undefined ? {} : { thread: thread.root };
      const { mentions } = news;
      told.push({
        ...{ id: `$news${told.length}`, room, text, mentions, transaction },
        ...where,
        step: state.nextStep(),
      });
    });
    const id = told.find((one) => one.transaction === transaction)?.id;
    return id === undefined ? undefined : { room, id };
  };
  return {
    send,
    tell,
    echo: async (room, text, transaction) => {
      const shown = text();
      if (shown !== undefined) await send(room, shown, transaction);
    },
    react: ({ id }, emoji) => homeserver(() => void state.reactions.set(id, emoji)),
    edit: (answer, edit, transaction) => {
      const text = typeof edit === "string" ? edit : edit.text();
      return homeserver(() => {
        if (edited.has(transaction) || text === undefined) return;
        edited.add(transaction);
        said.find(({ id }) => id === answer.id)?.edits.push(text);
      });
    },
  };
};

export const storeOf = ({ disk }: WorldState, outside: Outside): BotStore => {
  let inTransaction = false;
  const key = (area: Area, name: string) => `${area}\n${name}`;
  /** A transaction is written as a whole. */
  const write = (work: () => void): void => (inTransaction ? work() : outside.written(work));
  return {
    get: (area, name) => disk.get(key(area, name)),
    put: (area, name, value) =>
      write(() => disk.set(key(area, name), typeof value === "string" ? Buffer.from(value) : value)),
    delete: (area, name) => write(() => disk.delete(key(area, name))),
    *entries(area) {
      for (const [name, value] of [...disk].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (name.startsWith(key(area, ""))) yield [name.slice(key(area, "").length), value] as const;
      }
    },
    clear: () => disk.clear(),
    transaction: (work) =>
      outside.written(() => {
        inTransaction = true;
        try {
          return work();
        } finally {
          inTransaction = false;
        }
      }),
    settle: () => {},
    close: () => {},
  };
};
