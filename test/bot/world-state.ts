// SPDX-License-Identifier: Apache-2.0
// Holds what outlives a bot in the simulated world of chat commands: time, Toggles, messages, and the disk.
import type { Phase, Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";
import type { ToggleChange, ToggleFailure } from "../../server/kubernetes/toggles.ts";
import { toggleNamed } from "./toggle-named.ts";

export const START = Date.parse("2026-11-22T08:00:00Z");

/** A message of the bot; `step` is its place among effects and messages. */
export type Said = {
  id: string;
  room: string;
  text: string;
  transaction: string;
  thread?: string;
  edits: string[];
  step: number;
};

/** A message of the bot that mentions people. */
export type Told = Omit<Said, "edits"> & { mentions: readonly string[] };

/** Whether a process has not been killed yet. */
export type Life = { alive: boolean };

/** Lets promises settle. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How the API server and the homeserver are. */
export type Mood = {
  api: "up" | ToggleFailure | "hangs" | "applies, then fails" | "applies late";
  /** `mute`: the bot may not speak in its rooms. */
  chat: "up" | "away" | "mute";
  watch: boolean;
};

export class WorldState {
  #now = START;
  readonly #timers = new Set<{ at: number; action: () => void; life: Life }>();
  readonly #listeners = new Set<{ life: Life; listener: (change: ToggleChange) => void }>();
  #created = 0;
  #steps = 0;
  readonly toggles: Map<string, Toggle>;
  /** spec.reason of each patch that changed a spec, in order: its command took effect. */
  readonly effects: string[] = [];
  readonly effectTimes: number[] = [];
  /** The order of effects and of what was said. */
  readonly effectSteps: number[] = [];
  readonly said: Said[] = [];
  /** The news among what was said. */
  readonly told: Told[] = [];
  /** The emoji with which the bot reacted, by message. */
  readonly reactions = new Map<string, string>();
  /** The transactions of edits that the homeserver has taken. */
  readonly edited = new Set<string>();
  readonly disk = new Map<string, Uint8Array>();
  readonly mood: Mood = { api: "up", chat: "up", watch: true };

  constructor(toggles: readonly Toggle[]) {
    this.toggles = new Map(toggles.map((toggle) => [toggle.metadata.name, toggle]));
  }

  now(): number {
    return this.#now;
  }

  nextStep(): number {
    this.#steps += 1;
    return this.#steps;
  }

  /** Calls `action` after `ms`, unless the process of `life` has been killed by then. Answers how it is called off. */
  after(ms: number, action: () => void, life: Life): () => void {
    const timer = { at: this.#now + ms, action, life };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  subscribe(listener: (change: ToggleChange) => void, life: Life): () => void {
    const one = { life, listener };
    this.#listeners.add(one);
    return () => this.#listeners.delete(one);
  }

  put(toggle: Toggle): void {
    const { name } = toggle.metadata;
    this.toggles.set(name, toggle);
    for (const { life, listener } of [...this.#listeners]) {
      if (life.alive && this.mood.watch) listener({ name, toggle });
    }
  }

  /** Changes a spec as `manager`; answers whether it differs then. */
  edit(name: string, spec: Partial<ToggleSpec>, manager = "kubectl-edit"): boolean | undefined {
    const before = this.toggles.get(name);
    if (before === undefined) return undefined;
    const next = { ...before.spec, ...spec };
    const changed = JSON.stringify(next) !== JSON.stringify(before.spec);
    const generation = (before.metadata.generation ?? 0) + (changed ? 1 : 0);
    const fields = Object.keys(spec).map((field) => [`f:${field}`, {}]);
    const managedFields = [{ manager, fieldsV1: { "f:spec": Object.fromEntries(fields) } }];
    const record = changed ? { managedFields } : {};
    this.put({ ...before, metadata: { ...before.metadata, generation, ...record }, spec: next });
    return changed;
  }

  /** The hook has seen the spec, and the Deployment is so far. */
  becomes(name: string, phase: Phase, counts: Partial<Record<string, unknown>> = {}): void {
    const toggle = this.toggles.get(name);
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
    this.put({ ...toggle, status });
  }

  remove(name: string): void {
    this.toggles.delete(name);
    for (const { life, listener } of [...this.#listeners]) {
      if (life.alive) listener({ name, toggle: undefined });
    }
  }

  /** A new Toggle of the name, whose generation starts anew. */
  create(name: string): void {
    if (this.toggles.has(name)) return;
    this.#created += 1;
    const toggle = toggleNamed(name);
    this.put({ ...toggle, metadata: { ...toggle.metadata, uid: `uid-${name}-${this.#created}` } });
  }

  /** Lets `ms` pass; what falls due runs in its order, and promises settle in between. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settleLong();
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      if (!next.life.alive) continue;
      next.action();
      await settleLong();
    }
    this.#now = until;
  }
}

const settleLong = async (): Promise<void> => {
  for (let round = 0; round < 20; round++) await settle();
};
