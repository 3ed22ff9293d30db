// SPDX-License-Identifier: Apache-2.0
// Runs the two-way sync at random for long on a real store, with the real hooks.
import { isDeepStrictEqual } from "node:util";
import type { Reading, Write } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { StringMap } from "../../../hooks/kubernetes.ts";
import type { SecretStore } from "../../../server/agent/store.ts";
import { createConvergenceCheck } from "./two-way-rest.ts";
import { areEqual, begin, canonical, readyReason, type World } from "./two-way-state.ts";
import { choose, deleteSecret, meantime, secretUser, tokenUser } from "./two-way-users.ts";
import { AT_WRITE, answer, ask, LOST, type Mishap, readToken, step } from "./two-way-world.ts";

type Store = Pick<SecretStore, "read" | "change">;

/** Numbers that a seed decides: mulberry32. */
const random = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

const bytesOf = (data: StringMap): Map<string, Buffer> =>
  new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")]));

const readStore = async (store: Store, path: string): Promise<Reading> => {
  const result = await store.read(path);
  if (result.kind === "unavailable") throw new Error(`the store can't be read: ${result.code}`);
  if (result.kind === "absent") return { outcome: "absent", device: "pico" };
  const { checksum, metadata } = result;
  const data = Object.fromEntries(
    [...result.data].map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
  const source = metadata.source === undefined ? {} : { source: metadata.source };
  return { outcome: "found", data, checksum, version: 1, device: "pico", ...source };
};

/** Does `write` as the agent would; answers with the kind of the store's result. */
const writeStore = async (store: Store, path: string, write: Write): Promise<string> => {
  const { method, data, source, ifMatch, checksum } = write;
  const condition = ifMatch === undefined ? { ifNoneMatch: "*" as const } : { ifMatch: [ifMatch] };
  const result = await store.change(
    path,
    { type: method, data: bytesOf(data), metadata: { source } },
    condition,
  );
  if (result.kind === "written" && result.checksum !== checksum) {
    throw new Error("the store has another checksum than the hook promised");
  }
  return result.kind;
};

/** The token's user: exactly these keys, or nothing. */
const changeStore = async (store: Store, path: string, data: StringMap | undefined): Promise<void> => {
  const change =
    data === undefined ? ({ type: "delete" } as const) : ({ type: "put", data: bytesOf(data) } as const);
  const { kind } = await store.change(path, change);
  if (kind !== "written" && kind !== "deleted" && kind !== "absent") {
    throw new Error(`the store says ${kind}`);
  }
};

const SPECS: readonly HSMSecretSpec[] = [
  {},
  { onMissing: "Delete" },
  {
    data: [
      { key: "key", hsmKey: "password" },
      { key: "login", hsmKey: "user" },
    ],
  },
];
const TOKEN_KEYS = ["password", "user", "host"];

export interface RunTally {
  conflicts: number;
  writes: number;
  updates: number;
}

/** One run of `steps` random steps at `path`; throws at what breaks an invariant, with the way there. */
export const runOnce = async (
  store: Store,
  path: string,
  seed: number,
  steps: number,
  tally: RunTally,
): Promise<void> => {
  const run = new Run(store, path, seed, tally);
  try {
    await run.begin();
    for (let index = 0; index < steps; index += 1) await run.act();
    const fault = createConvergenceCheck()(run.world);
    if (fault !== undefined) throw new Error(fault);
    await finish(store, path, { ...run.world, outage: false });
  } catch (error) {
    throw new Error(`seed ${seed}: ${run.way.join("; ")}: ${error instanceof Error ? error.message : error}`);
  } finally {
    await changeStore(store, path, undefined);
  }
};

/** A run: the model's world and the store, which every step changes alike, and what was done so far. */
class Run {
  readonly #store: Store;
  readonly #path: string;
  readonly #tally: RunTally;
  readonly #next: (below: number) => number;
  readonly #spec: HSMSecretSpec;
  readonly #values: string[] = [""];
  readonly way: string[] = [];
  world: World;

  constructor(store: Store, path: string, seed: number, tally: RunTally) {
    this.#store = store;
    this.#path = path;
    this.#tally = tally;
    this.#next = random(seed);
    this.#spec = SPECS[seed % SPECS.length] ?? {};
    this.world = begin(this.#spec, { data: this.#content() });
  }

  /** Puts what the token's user has there at first into the store. */
  begin(): Promise<void> {
    return changeStore(this.#store, this.#path, this.world.token?.data);
  }

  /** Something happens; a sync more often than anything else. */
  async act(): Promise<void> {
    const kind = this.#next(20);
    if (kind < 11) return this.#sync();
    if (kind < 13) return this.#changeToken();
    if (kind < 16) return this.#changeSecret();
    if (kind === 16) return this.#becomes("outage begins or ends", { outage: !this.world.outage });
    if (kind === 17) return this.#becomes("the engine restarts", { applied: undefined });
    if (kind === 18 && this.#next(3) === 0) return this.#becomes("Secret: deleted", deleteSecret(this.world));
    const choice = this.#oneOf(["hsm", "secret", undefined] as const);
    return this.#becomes(`resolve: ${choice}`, choose(this.world, choice));
  }

  #becomes(what: string, change: Partial<World>): void {
    this.way.push(what);
    this.world = { ...this.world, ...change };
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[this.#next(choices.length)] as T;
  }

  /** Mostly a new value, sometimes one that was there before. */
  #value(): string {
    if (this.#next(4) === 0) return this.#oneOf(this.#values);
    const made = Buffer.from(`value ${this.#next(2 ** 32)}`).toString("base64");
    this.#values.push(made);
    return made;
  }

  /** Under a mapping the mapped keys are always there: without one the hook rightly stops at InvalidKey. */
  #content(): StringMap {
    const isMapped = this.#spec.data !== undefined;
    const chosen = TOKEN_KEYS.filter((key) => (isMapped && key !== "host") || this.#next(3) > 0);
    const keys = chosen.length > 0 ? chosen : ["password"];
    return Object.fromEntries(keys.map((key) => [key, this.#value()]));
  }

  async #changeToken(): Promise<void> {
    const isRemoved = this.#next(6) === 0 && this.world.token !== undefined;
    const data = isRemoved ? undefined : this.#content();
    this.#tally.updates += 1;
    await changeStore(this.#store, this.#path, data);
    this.#becomes(
      `token: ${data === undefined ? "removed" : Object.keys(data)}`,
      tokenUser(this.world, data),
    );
  }

  #changeSecret(): void {
    const keys = this.#spec.data?.map(({ key }) => key) ?? TOKEN_KEYS;
    const key = this.#next(8) === 0 ? "unmapped" : this.#oneOf(keys);
    const data = this.#next(5) === 0 ? undefined : this.#value();
    this.#tally.updates += 1;
    this.#becomes(
      `Secret: ${key} ${data === undefined ? "removed" : "set"}`,
      secretUser(this.world, key, data),
    );
  }

  async #sync(): Promise<void> {
    const { world } = this;
    const held = world.outage ? undefined : await readStore(this.#store, this.#path);
    if (held !== undefined && !isDeepStrictEqual(held, readToken(world, undefined))) {
      throw new Error("the store holds something else than the model");
    }
    const asked = ask(world, (ifNoneMatch) =>
      held === undefined ? readToken(world, ifNoneMatch) : readAgain(held, ifNoneMatch),
    );
    const mishap = this.#next(3) > 0 ? undefined : this.#oneOf(asked.write === undefined ? LOST : AT_WRITE);
    this.way.push(`sync${mishap === undefined ? "" : `, ${mishap}`}`);
    if (asked.write !== undefined) await this.#write(asked.write, mishap);
    this.world = answer(world, asked, mishap);
    if (readyReason(this.world.status) === "Conflict") this.#tally.conflicts += 1;
  }

  async #write(write: Write, mishap: Mishap | undefined): Promise<void> {
    const isLate = mishap === "token changes before the write";
    if (isLate) await changeStore(this.#store, this.#path, meantime(this.world));
    if (mishap === "write cut off") return;
    const said = await writeStore(this.#store, this.#path, write);
    const expected = isLate ? "precondition" : "written";
    if (said !== expected) throw new Error(`the store says ${said} to a write and not ${expected}`);
    this.#tally.writes += 1;
  }
}

/** What a token that holds `held` answers to a conditional read. */
const readAgain = (held: Reading, ifNoneMatch: string | undefined): Reading =>
  held.outcome === "found" && held.checksum === ifNoneMatch ? { outcome: "unchanged", device: "pico" } : held;

/** Has syncs come, on the store, until it is quiet, with the user choosing where he must, and looks at both sides. */
const finish = async (store: Store, path: string, start: World): Promise<void> => {
  let world = start;
  for (let round = 0; round < 24; round += 1) {
    const held = await readStore(store, path);
    const asked = ask(world, (ifNoneMatch) => readAgain(held, ifNoneMatch));
    if (asked.write !== undefined && (await writeStore(store, path, asked.write)) !== "written") {
      throw new Error("the store refuses a write when it is quiet");
    }
    const before = canonical(world);
    world = answer(world, asked);
    if (canonical(world) !== before) continue;
    if (readyReason(world.status) !== "Conflict") break;
    // Removed first, seen so by a sync, then set: an old annotation chooses nothing.
    world = choose(step(choose(world, undefined)), "hsm");
  }
  const reason = readyReason(world.status);
  if (!isDeepStrictEqual(await readStore(store, path), readToken(world, undefined))) {
    throw new Error("the store holds something else than the model when it is quiet");
  }
  const quietly =
    reason === "Synced" ? areEqual(world) : reason === "ObjectNotFound" || reason === "WriteBackFailed";
  if (!quietly) throw new Error(`comes to rest at ${String(reason)}`);
};
