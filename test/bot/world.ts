// SPDX-License-Identifier: Apache-2.0
// Simulates a homeserver, an API server and a disk that outlive the bot, which can be killed at any access to one of them. It
// is a double of Chat, Toggles, BotStore and Clock.
import type { Phase, Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";
import { createAccess } from "../../server/bot/access.ts";
import type { Chat } from "../../server/bot/chat.ts";
import { type CommandRunner, createRunner, type RunnerOptions } from "../../server/bot/runner.ts";
import type { Area, BotStore } from "../../server/bot/store.ts";
import { FIELD_MANAGER } from "../../server/kubernetes/last-switch.ts";
import type { ToggleChange, ToggleFailure, ToggleResult, Toggles } from "../../server/kubernetes/toggles.ts";
import type { Clock } from "../../server/time.ts";
import { toggleNamed } from "./toggle-named.ts";

export { toggleNamed } from "./toggle-named.ts";

export const ALICE = "@alice:example.org";
export const BOB = "@bob:example.org";
export const ROOM = "!room:example.org";
export const OTHER_ROOM = "!other:example.org";
export const START = Date.parse("2026-11-22T08:00:00Z");

/** Longer than the bot waits for an answer of the API server. */
const LATE_MS = 8_000;

type Said = {
  id: string;
  room: string;
  text: string;
  transaction: string;
  edits: string[];
  step: number;
};

/** What a process did before it was killed ends here. */
export class Killed extends Error {}

type Life = { alive: boolean };

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const makeWorld = (some: readonly Toggle[] = [toggleNamed("web")]) => {
  let now = START;
  const timers = new Set<{ at: number; action: () => void; life: Life }>();
  const toggles = new Map(some.map((toggle) => [toggle.metadata.name, toggle]));
  /** spec.reason of each patch that changed a spec, in order: its command took effect. */
  const effects: string[] = [];
  const effectTimes: number[] = [];
  /** The order of effects and of what was said. */
  const effectSteps: number[] = [];
  let steps = 0;
  const said: Said[] = [];
  const disk = new Map<string, Uint8Array>();
  const listeners = new Set<{ life: Life; listener: (change: ToggleChange) => void }>();
  /** How the API server and the homeserver are. */
  const mood: {
    api: "up" | ToggleFailure | "hangs" | "applies, then fails" | "applies late";
    chat: "up" | "away";
    watch: boolean;
  } = { api: "up", chat: "up", watch: true };
  const commands: { verb: string; outcome: string }[] = [];
  const refused: string[] = [];
  const logged: { fields: unknown; message: string }[] = [];

  const put = (toggle: Toggle) => {
    toggles.set(toggle.metadata.name, toggle);
    for (const { life, listener } of [...listeners]) {
      if (life.alive && mood.watch) listener({ name: toggle.metadata.name, toggle });
    }
  };
  const edit = (name: string, spec: Partial<ToggleSpec>, manager = "kubectl-edit") => {
    const before = toggles.get(name);
    if (before === undefined) return;
    const next = { ...before.spec, ...spec };
    const changed = JSON.stringify(next) !== JSON.stringify(before.spec);
    const generation = (before.metadata.generation ?? 0) + (changed ? 1 : 0);
    const fields = Object.keys(spec).map((field) => [`f:${field}`, {}]);
    const managedFields = [{ manager, fieldsV1: { "f:spec": Object.fromEntries(fields) } }];
    const record = changed ? { managedFields } : {};
    put({ ...before, metadata: { ...before.metadata, generation, ...record }, spec: next });
    return changed;
  };
  /** The hook has seen the spec, and the Deployment is so far. */
  const becomes = (name: string, phase: Phase, counts: Partial<Record<string, unknown>> = {}) => {
    const toggle = toggles.get(name);
    if (toggle === undefined) return;
    const count = phase === "Off" || phase === "Stopping" ? 0 : 3;
    const up = phase === "Running" ? 3 : 0;
    const status = {
      observedGeneration: toggle.metadata.generation,
      phase,
      desiredReplicas: count,
      replicas: count,
      readyReplicas: up,
      availableReplicas: up,
      message: `The Deployment ${name}: ${phase}.`,
      ...counts,
    };
    put({ ...toggle, status });
  };
  const remove = (name: string) => {
    toggles.delete(name);
    for (const { life, listener } of [...listeners]) if (life.alive) listener({ name, toggle: undefined });
  };

  /** A bot on this world; `mayGoOn` answers false at the point where it is killed. */
  const live = (mayGoOn: () => boolean = () => true, options: Partial<RunnerOptions> = {}) => {
    const life: Life = { alive: true };
    const point = () => {
      if (life.alive && !mayGoOn()) life.alive = false;
      if (!life.alive) throw new Killed();
    };
    /** Nothing that is asked of the outside by a dead process is answered. */
    const outside = async <T>(work: () => T | Promise<T>): Promise<T> => {
      try {
        point();
        const result = await work();
        point();
        return result;
      } catch (error) {
        if (life.alive) throw error;
        return new Promise<T>(() => {});
      }
    };
    const clock: Clock = {
      now: () => now,
      after: (ms, action) => {
        const timer = { at: now + ms, action, life };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    };
    const api = async (work: () => ToggleResult): Promise<ToggleResult> => {
      await settle();
      if (mood.api === "hangs") return new Promise(() => {});
      if (mood.api === "applies late") {
        // It is under way, and arrives whatever becomes of the bot.
        timers.add({ at: now + LATE_MS, action: work, life: { alive: true } });
        return new Promise(() => {});
      }
      if (mood.api === "applies, then fails") {
        work();
        return { ok: false, why: "unavailable" };
      }
      return mood.api === "up" ? work() : { ok: false, why: mood.api };
    };
    const found = (name: string): ToggleResult => {
      const toggle = toggles.get(name);
      return toggle === undefined ? { ok: false, why: "not-found" } : { ok: true, toggle };
    };
    const double: Toggles = {
      namespace: "demo",
      list: () => [...toggles.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
      find: (name) => toggles.get(name),
      get: (name) => outside(() => api(() => found(name))),
      patch: (name, { until, ...patch }, ifGeneration) =>
        outside(() =>
          api(() => {
            const before = toggles.get(name);
            if (before === undefined) return found(name);
            if (ifGeneration !== undefined && before.metadata.generation !== ifGeneration) {
              return { ok: false, why: "changed" };
            }
            const { until: _, ...spec } = before.spec;
            toggles.set(name, { ...before, spec });
            const sent = { ...patch, ...(until === null ? {} : { until }) };
            const changed = edit(name, sent, FIELD_MANAGER);
            if (changed) effects.push(patch.reason);
            if (changed) effectTimes.push(now);
            if (changed) effectSteps.push(++steps);
            return found(name);
          }),
        ),
      subscribe: (listener) => {
        const one = { life, listener };
        listeners.add(one);
        return () => listeners.delete(one);
      },
      state: () => ({ ok: mood.watch }),
      close: async () => {},
    };
    const homeserver = (work: () => void) =>
      outside(async () => {
        await settle();
        if (mood.chat === "away") throw new Error("away");
        work();
      });
    const chat: Chat = {
      send: async (room, text, transaction) => {
        await homeserver(() => {
          if (said.some((one) => one.transaction === transaction)) return;
          said.push({ id: `$answer${said.length}`, room, text, transaction, edits: [], step: ++steps });
        });
        const one = said.find((other) => other.transaction === transaction);
        if (one === undefined) throw new Error("it was sent");
        return { room, id: one.id };
      },
      edit: (answer, text, transaction) =>
        homeserver(() => {
          if (edited.has(transaction)) return;
          edited.add(transaction);
          said.find(({ id }) => id === answer.id)?.edits.push(text);
        }),
    };
    const key = (area: Area, name: string) => `${area}\n${name}`;
    const written = <T>(work: () => T): T => {
      point();
      const result = work();
      point();
      return result;
    };
    const store: BotStore = {
      get: (area, name) => disk.get(key(area, name)),
      put: (area, name, value) => {
        const write = () => disk.set(key(area, name), typeof value === "string" ? Buffer.from(value) : value);
        if (inTransaction) write();
        else written(write);
      },
      delete: (area, name) => {
        const write = () => disk.delete(key(area, name));
        if (inTransaction) write();
        else written(write);
      },
      *entries(area) {
        for (const [name, value] of [...disk].sort(([a], [b]) => (a < b ? -1 : 1))) {
          if (name.startsWith(key(area, ""))) yield [name.slice(key(area, "").length), value] as const;
        }
      },
      clear: () => disk.clear(),
      transaction: (work) =>
        written(() => {
          inTransaction = true;
          try {
            return work();
          } finally {
            inTransaction = false;
          }
        }),
      close: () => {},
    };
    let inTransaction = false;
    const runner: CommandRunner = createRunner({
      store,
      chat,
      toggles: double,
      access: createAccess([ALICE, BOB]),
      clock,
      defaultName: "web",
      maxAgeSeconds: 120,
      echo: false,
      metrics: {
        command: (verb, outcome) => commands.push({ verb, outcome }),
        patched: () => {},
        answered: () => {},
        refused: (reason) => refused.push(reason),
      },
      logger: {
        info: (fields: unknown, message: string) => logged.push({ fields, message }),
        warn: (fields: unknown, message: string) => logged.push({ fields, message }),
        error: (fields: unknown, message: string) => logged.push({ fields, message }),
      },
      ...options,
    });
    return { runner, life, toggles: double, chat, store, clock };
  };
  const edited = new Set<string>();

  let messages = 0;
  let created = 0;
  return {
    live,
    toggles,
    effects,
    effectTimes,
    effectSteps,
    said,
    mood,
    commands,
    refused,
    logged,
    disk,
    edit,
    becomes,
    remove,
    /** A new Toggle of the name, whose generation starts anew. */
    create: (name: string) => {
      if (toggles.has(name)) return;
      created += 1;
      const toggle = toggleNamed(name);
      put({ ...toggle, metadata: { ...toggle.metadata, uid: `uid-${name}-${created}` } });
    },
    now: () => now,
    /** Lets `ms` pass; what falls due runs in its order, and promises settle in between. */
    async pass(ms: number) {
      const until = now + ms;
      for (let round = 0; round < 20; round++) await settle();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        if (!next.life.alive) continue;
        next.action();
        for (let round = 0; round < 20; round++) await settle();
      }
      now = until;
    },
    message: (text: string, { room = ROOM, sender = ALICE, age = 0 } = {}) => {
      messages += 1;
      return { id: `$message${messages}`, room, sender, text, sentAt: now - age };
    },
  };
};
export type World = ReturnType<typeof makeWorld>;
