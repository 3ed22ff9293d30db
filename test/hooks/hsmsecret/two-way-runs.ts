// SPDX-License-Identifier: Apache-2.0
// Generates long random runs of the two-way sync over a real store: the hooks read and write it, and after every step it must
// equal the model of the token.
import { isDeepStrictEqual } from "node:util";
import { toBase64Map } from "../../../hooks/formats.ts";
import type { Reading, Write } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { StringMap } from "../../../hooks/kubernetes.ts";
import type { SecretStore } from "../../../server/agent/store.ts";
import {
  AT_WRITE,
  answer,
  areEqual,
  ask,
  begin,
  canonical,
  choose,
  createConvergenceCheck,
  deleteSecret,
  LOST,
  meantime,
  readToken,
  readyReason,
  secretUser,
  step,
  tokenUser,
  type World,
} from "./two-way-world.ts";

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
  const data = toBase64Map(result.data);
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
  if (result.kind === "written" && result.checksum !== checksum)
    throw new Error("the store has another checksum than the hook promised");
  return result.kind;
};

/** The token's user: exactly these keys, or nothing. */
const changeStore = async (store: Store, path: string, data: StringMap | undefined): Promise<void> => {
  const change =
    data === undefined ? ({ type: "delete" } as const) : ({ type: "put", data: bytesOf(data) } as const);
  const { kind } = await store.change(path, change);
  if (kind !== "written" && kind !== "deleted" && kind !== "absent")
    throw new Error(`the store says ${kind}`);
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
  const next = random(seed);
  const oneOf = <T>(choices: readonly T[]): T => choices[next(choices.length)] as T;
  const values: string[] = [""];
  /** Mostly a new value, sometimes one that was there before. */
  const value = (): string => {
    if (next(4) === 0) return oneOf(values);
    const made = Buffer.from(`value ${next(2 ** 32)}`).toString("base64");
    values.push(made);
    return made;
  };
  const spec = SPECS[seed % SPECS.length] ?? {};
  const secretKeys = spec.data?.map(({ key }) => key) ?? TOKEN_KEYS;
  /** Under a mapping the mapped keys are always there: without one the hook rightly stops at InvalidKey. */
  const content = (): StringMap => {
    const chosen = TOKEN_KEYS.filter((key) => (spec.data !== undefined && key !== "host") || next(3) > 0);
    return Object.fromEntries((chosen.length > 0 ? chosen : ["password"]).map((key) => [key, value()]));
  };
  const first = content();
  await changeStore(store, path, first);
  let world: World = begin(spec, { data: first });
  const way: string[] = [];
  const syncOnce = async (): Promise<void> => {
    const held = world.outage ? undefined : await readStore(store, path);
    if (held !== undefined && !isDeepStrictEqual(held, readToken(world, undefined)))
      throw new Error("the store holds something else than the model");
    const asked = ask(world, (ifNoneMatch) => {
      if (held === undefined) return readToken(world, ifNoneMatch);
      const same = held.outcome === "found" && held.checksum === ifNoneMatch;
      return same ? { outcome: "unchanged", device: "pico" } : held;
    });
    const mishap = next(3) > 0 ? undefined : oneOf(asked.write === undefined ? LOST : AT_WRITE);
    way.push(`sync${mishap === undefined ? "" : `, ${mishap}`}`);
    const { write } = asked;
    if (write !== undefined) {
      if (mishap === "token changes before the write") await changeStore(store, path, meantime(world));
      if (mishap !== "write cut off") {
        const said = await writeStore(store, path, write);
        const expected = mishap === "token changes before the write" ? "precondition" : "written";
        if (said !== expected) throw new Error(`the store says ${said} to a write and not ${expected}`);
        tally.writes += 1;
      }
    }
    world = answer(world, asked, mishap);
    if (readyReason(world.status) === "Conflict") tally.conflicts += 1;
  };
  const act = async (): Promise<void> => {
    const kind = next(20);
    if (kind < 11) return syncOnce();
    if (kind < 13) {
      const data = next(6) === 0 && world.token !== undefined ? undefined : content();
      way.push(`token: ${data === undefined ? "removed" : Object.keys(data)}`);
      tally.updates += 1;
      await changeStore(store, path, data);
      world = tokenUser(world, data);
    } else if (kind < 16) {
      const key = next(8) === 0 ? "unmapped" : oneOf(secretKeys);
      const data = next(5) === 0 ? undefined : value();
      way.push(`Secret: ${key} ${data === undefined ? "removed" : "set"}`);
      tally.updates += 1;
      world = secretUser(world, key, data);
    } else if (kind === 16) {
      way.push("outage begins or ends");
      world = { ...world, outage: !world.outage };
    } else if (kind === 17) {
      way.push("the engine restarts");
      world = { ...world, applied: undefined };
    } else if (kind === 18 && next(3) === 0) {
      way.push("Secret: deleted");
      world = deleteSecret(world);
    } else {
      const choice = oneOf(["hsm", "secret", undefined] as const);
      way.push(`resolve: ${choice}`);
      world = choose(world, choice);
    }
  };
  try {
    for (let index = 0; index < steps; index += 1) await act();
    const fault = createConvergenceCheck()(world);
    if (fault !== undefined) throw new Error(fault);
    world = { ...world, outage: false };
    await finish(store, path, world);
  } catch (error) {
    throw new Error(`seed ${seed}: ${way.join("; ")}: ${error instanceof Error ? error.message : error}`);
  } finally {
    await changeStore(store, path, undefined);
  }
};

/** Has syncs come, on the store, until it is quiet, with the user choosing where he must, and looks at both sides. */
const finish = async (store: Store, path: string, start: World): Promise<void> => {
  let world = start;
  for (let round = 0; round < 24; round += 1) {
    const held = await readStore(store, path);
    const asked = ask(world, (ifNoneMatch) =>
      held.outcome === "found" && held.checksum === ifNoneMatch
        ? { outcome: "unchanged", device: "pico" }
        : held,
    );
    if (asked.write !== undefined && (await writeStore(store, path, asked.write)) !== "written")
      throw new Error("the store refuses a write when it is quiet");
    const before = canonical(world);
    world = answer(world, asked);
    if (canonical(world) !== before) continue;
    if (readyReason(world.status) !== "Conflict") break;
    // Removed first, seen so by a sync, then set: an old annotation chooses nothing.
    world = choose(step(choose(world, undefined)), "hsm");
  }
  const reason = readyReason(world.status);
  if (!isDeepStrictEqual(await readStore(store, path), readToken(world, undefined)))
    throw new Error("the store holds something else than the model when it is quiet");
  const quietly =
    reason === "Synced" ? areEqual(world) : reason === "ObjectNotFound" || reason === "WriteBackFailed";
  if (!quietly) throw new Error(`comes to rest at ${String(reason)}`);
};
