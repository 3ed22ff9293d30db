// SPDX-License-Identifier: Apache-2.0
// Unplugs the card at each APDU of one change, plugs it in again, and compares what callers were told with what the card holds.
import type { Test } from "tap";
import { checksum } from "../../../../hooks/checksum.ts";
import type { Change, ChangeResult } from "../../../../server/agent/store.ts";
import type { ApduEntry, Fault } from "../../../doubles/sc-hsm/card.ts";
import { type Keys, someKeys } from "../kill-points.ts";
import type { WatchedStore } from "../token-fixture.ts";
import { type CardFixture, ready, reloaded } from "./card-fixture.ts";

export type CutScenario = {
  name: string;
  /** What the path holds before; undefined: nothing. */
  before: Keys | undefined;
  change: Change;
  /** What it holds once the change is made. */
  after: Keys | undefined;
};

/** How often each answer met each state of the card, as `answer -> state`. */
export type CutTable = Map<string, number>;

export type CutOptions = {
  fault: Extract<Fault, "cut" | "cut-after">;
  /** Which APDUs of the change are cut, by their number from 1 and what they are. */
  at: (nth: number, entry: ApduEntry) => boolean;
};

const PATH = "secrets/cut/db";
const OTHERS = ["secrets/cut/db-prod", "secrets/other/a"];

/** Update and delete of files: what changes the card. */
export const isChanging = ({ ins }: Pick<ApduEntry, "ins">): boolean => ins === 0xd7 || ins === 0xe4;

const sumOf = (keys: Keys | undefined): string => (keys === undefined ? "nothing" : checksum(keys));

/** What an answer says of the path: the states that make it true. */
const claimOf = (result: ChangeResult): "new" | "old" | "old or new" => {
  if (result.kind === "written" || result.kind === "deleted") return "new";
  return result.kind === "uncertain" ? "old or new" : "old";
};

const holds = async (store: WatchedStore, path: string): Promise<string> => {
  const read = await store.read(path);
  if (read.kind === "found") return read.checksum;
  return read.kind === "absent" ? "nothing" : `${read.code}: ${read.message}`;
};

/** A card with the scenario's secret and two others, and what files it has then. */
const prepare = async (store: WatchedStore, { before }: CutScenario): Promise<Map<string, string>> => {
  await ready(store);
  const others = new Map<string, string>();
  for (const path of OTHERS) {
    const data = someKeys(["a", "b"]);
    others.set(path, checksum(data));
    await store.change(path, { type: "put", data });
  }
  if (before !== undefined) await store.change(PATH, { type: "put", data: before });
  return others;
};

/** Which of the other paths don't hold what they held. */
const changedOthers = async (store: WatchedStore, others: ReadonlyMap<string, string>): Promise<string[]> => {
  const faults: string[] = [];
  for (const [path, sum] of others) {
    const found = await holds(store, path);
    if (found !== sum) faults.push(`${path} has become ${found}`);
  }
  return faults;
};

/** Runs the scenario once to learn its APDUs, then once for each that `at` chooses. Faults are what was not as it must be. */
export const cutAtApdus = async (
  { card, openStore }: CardFixture,
  layout: "packed" | "per-key",
  scenario: CutScenario,
  { fault, at }: CutOptions,
): Promise<{ table: CutTable; cuts: number; apdus: number; faults: string[] }> => {
  const store = openStore({ writes: { layout } });
  const others = await prepare(store, scenario);
  const files = new Map(card.memory.files);
  const [old, now] = [sumOf(scenario.before), sumOf(scenario.after)];
  const table: CutTable = new Map();
  const faults: string[] = [];
  card.forget();
  await store.change(PATH, scenario.change);
  const entries = [...card.log];
  const chosen = entries.flatMap((entry, index) => (at(index + 1, entry) ? [index + 1] : []));
  for (const nth of chosen) {
    card.memory.files = new Map(files);
    await reloaded(store);
    card.failAt(nth, fault);
    const result = await store.change(PATH, scenario.change);
    card.heal();
    card.unplug();
    card.plug();
    await reloaded(store);
    const found = await holds(store, PATH);
    const state = found === now ? "new" : found === old ? "old" : found;
    const said = `${"code" in result ? result.code : result.kind} -> ${state}`;
    table.set(said, (table.get(said) ?? 0) + 1);
    if (!claimOf(result).includes(state)) {
      faults.push(`${scenario.name} ${nth}: ${JSON.stringify(result)}, but ${state}`);
    }
    faults.push(...(await changedOthers(store, others)).map((fault) => `${scenario.name} ${nth}: ${fault}`));
  }
  return { table, cuts: chosen.length, apdus: entries.length, faults };
};

/** The three changes of a secret. */
export const scenarios = (): CutScenario[] => {
  const [first, second] = [someKeys(["a", "b"]), someKeys(["b", "c"])];
  return [
    { name: "create", before: undefined, change: { type: "put", data: second }, after: second },
    { name: "update", before: first, change: { type: "put", data: second }, after: second },
    { name: "delete", before: first, change: { type: "delete" }, after: undefined },
  ];
};

/** The answers beside what they met, as a table for people. */
export const printTable = (t: Test, title: string, table: CutTable): void => {
  t.comment(title);
  for (const [row, count] of [...table].sort()) t.comment(`  ${String(count).padStart(4)}  ${row}`);
};
