// SPDX-License-Identifier: Apache-2.0
// Measures what it costs an agent to say its role, and to have its lease renewed, as the number of its secrets grows.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeToken } from "../../local/softhsm-token.ts";
import { pathOf } from "../bench-token.ts";
import { type Timing, timingOf } from "../quantile.ts";
import { BenchMember, madeUp } from "./bench-member.ts";
import { makeMemberTokens } from "./member-tokens.ts";

const SIZES = [20, 200, 2000];
const ROUNDS = 5;
const CALLS = 5;

/** Milliseconds. */
export interface RoleCost {
  readonly secrets: number;
  /** GET /v1/role. */
  readonly told: Timing;
  /** PUT /v1/role that renews the lease. */
  readonly ordered: Timing;
  /** GET /v1/role after a write. */
  readonly afterWrite: Timing;
}

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
};

const open = async (folder: string, secrets: number) => {
  const own = join(folder, `role-${secrets}`);
  mkdirSync(own);
  const token = await makeToken(own);
  await token.putObjects(
    Array.from({ length: secrets }, (_, index) =>
      Object.entries(madeUp()).map(([key, value]) => ({
        label: `${pathOf(index)}/${key}`,
        value: Buffer.from(value, "base64"),
      })),
    ).flat(),
  );
  token.close();
  const member = await BenchMember.start("a", token, makeMemberTokens(join(own, "bearer")));
  const members = [{ id: "a", address: member.address }];
  await member.order("a", members);
  const samples = { told: [] as number[], ordered: [] as number[], afterWrite: [] as number[] };
  return {
    async round() {
      for (let call = 0; call < CALLS; call += 1) {
        samples.told.push(await timed(() => member.role()));
        // With the GET that an order needs; that is taken off.
        const both = await timed(() => member.order("a", members));
        samples.ordered.push(Math.max(0, both - (samples.told.at(-1) ?? 0)));
      }
      await member.put(pathOf(0));
      samples.afterWrite.push(await timed(() => member.role()));
    },
    forget() {
      for (const list of Object.values(samples)) list.length = 0;
    },
    figures: (): RoleCost => ({
      secrets,
      told: timingOf(samples.told),
      ordered: timingOf(samples.ordered),
      afterWrite: timingOf(samples.afterWrite),
    }),
    close: () => member.close(),
  };
};

/** On tokens of several sizes by turns. */
export const measureRoleCost = async (folder: string): Promise<RoleCost[]> => {
  const opened: Awaited<ReturnType<typeof open>>[] = [];
  try {
    for (const secrets of SIZES) opened.push(await open(folder, secrets));
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const one of opened) await one.round();
      // The first round warms up.
      if (round < 0) for (const one of opened) one.forget();
    }
    return opened.map((one) => one.figures());
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
};
