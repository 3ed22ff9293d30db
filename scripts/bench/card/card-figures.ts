// SPDX-License-Identifier: Apache-2.0
// Measures the agent on a card behind OpenSC, without delay and at 8 ms an APDU, beside pkcs11-tool in the same run.
import { join } from "node:path";
import { Pool } from "undici";
import type { ServerProcess } from "../../local/server-process.ts";
import { pathOf } from "../bench-token.ts";
import { median, quantile, rounded, type Timing, timingOf } from "../quantile.ts";
import { type CardScene, openCardScene } from "./card-scene.ts";

/** Milliseconds; `tool` is pkcs11-tool's own time, from its start to its end. */
type CardFigures = {
  delayMs: number;
  /** From the start of the agent to its first answer of readiness. */
  startMs: number;
  startOf100Ms: number;
  listTool: number;
  read: Timing;
  readTool: number;
  create: number;
  createTool: number;
  remove: number;
  removeTool: number;
  refresh: number;
};

/** Reads while the card is loaded and written. */
type BusyReads = { reads: number; failed: number; refreshes: number; writes: number; timing: Timing };

export type CardResult = { ok: true; figures: CardFigures[]; busy: BusyReads } | { ok: false; why: string };

const DELAYS = [0, 8];
const FEW = 37;
const MANY = 100;
const TIMES = 5;
const READS = 300;
const BUSY = { refreshes: 50, writes: 20 };

const body = JSON.stringify({ data: { a: Buffer.alloc(100, 1).toString("base64") } });

/** A request to the agent with its write token; its time in milliseconds. Throws unless it succeeds. */
const asking = ({ url }: ServerProcess, bearerToken: string) => {
  const pool = new Pool(url, { connections: 4, headersTimeout: 120_000, bodyTimeout: 120_000 });
  const ask = async (method: "GET" | "PUT" | "POST" | "DELETE", path: string): Promise<number> => {
    const begin = performance.now();
    const answer = await pool.request({
      method,
      path,
      headers: {
        authorization: `Bearer ${bearerToken}`,
        ...(method === "PUT" && { "content-type": "application/json" }),
      },
      ...(method === "PUT" && { body }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return performance.now() - begin;
  };
  return { ask, close: () => pool.close() };
};

type Ask = ReturnType<typeof asking>["ask"];

const repeated = async (times: number, once: (index: number) => Promise<number>): Promise<number[]> => {
  const samples: number[] = [];
  for (let index = 0; index < times; index += 1) samples.push(await once(index));
  return samples;
};

const inMiddle = async (times: number, once: (index: number) => Promise<number>): Promise<number> =>
  rounded(median(await repeated(times, once)));

const NAME = ["--type", "data", "--label", "secrets/bench/tool", "--application-label", "tool"];

const measureAt = async (scene: CardScene, delayMs: number): Promise<CardFigures> => {
  scene.card.delayMs = delayMs;
  const agent = await scene.startAgent();
  const { ask, close } = asking(agent, scene.writeToken);
  const path = (index: number): string => `/v1/secrets/secrets/bench/new${index}`;
  try {
    const read = timingOf(await repeated(READS, (index) => ask("GET", `/v1/secrets/${pathOf(index % FEW)}`)));
    const create = await inMiddle(TIMES, (index) => ask("PUT", path(index)));
    const remove = await inMiddle(TIMES, (index) => ask("DELETE", path(index)));
    const refresh = await inMiddle(TIMES, () => ask("POST", "/v1/refresh"));
    const createTool = await inMiddle(1, () =>
      scene.toolMs("--write-object", scene.valueFile, "--private", ...NAME),
    );
    const readTool = await inMiddle(TIMES, () =>
      scene.toolMs("--read-object", ...NAME, "--output-file", "/dev/null"),
    );
    const removeTool = await inMiddle(1, () => scene.toolMs("--delete-object", ...NAME));
    const listTool = await inMiddle(TIMES, () => scene.toolMs("--list-objects"));
    const { startMs } = agent;
    return {
      delayMs,
      startMs,
      startOf100Ms: 0,
      listTool,
      read,
      readTool,
      create,
      createTool,
      remove,
      removeTool,
      refresh,
    };
  } finally {
    await close();
    await agent.stop();
  }
};

/** Reads one after another, with a breath between, until `work` has ended. */
const readDuring = async (
  ask: Ask,
  work: Promise<unknown>,
): Promise<Pick<BusyReads, "reads" | "failed" | "timing">> => {
  let busy = true;
  let failed = 0;
  const times: number[] = [];
  const stop = (): void => {
    busy = false;
  };
  work.then(stop, stop);
  for (let index = 0; busy; index += 1) {
    const took = await ask("GET", `/v1/secrets/${pathOf(index % FEW)}`).catch(() => undefined);
    if (took === undefined) failed += 1;
    else times.push(took);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await work;
  const timing = { p50: rounded(quantile(times, 0.5)), p95: rounded(quantile(times, 0.95)) };
  return { reads: times.length + failed, failed, timing };
};

const measureBusy = async (scene: CardScene): Promise<BusyReads> => {
  const agent = await scene.startAgent();
  const { ask, close } = asking(agent, scene.writeToken);
  try {
    const work = (async () => {
      for (let n = 0; n < BUSY.refreshes; n += 1) await ask("POST", "/v1/refresh");
      for (let n = 0; n < BUSY.writes; n += 1) {
        await ask("PUT", `/v1/secrets/secrets/bench/busy${n % 3}-${n}`);
      }
    })();
    return { ...BUSY, ...(await readDuring(ask, work)) };
  } finally {
    await close();
    await agent.stop();
  }
};

const measureAll = async (scene: CardScene): Promise<CardResult> => {
  const figures: CardFigures[] = [];
  await scene.fillTo(FEW);
  for (const delayMs of DELAYS) figures.push(await measureAt(scene, delayMs));
  const busy = await measureBusy(scene);
  await scene.fillTo(MANY);
  for (const figure of figures) {
    scene.card.delayMs = figure.delayMs;
    const agent = await scene.startAgent();
    figure.startOf100Ms = agent.startMs;
    await agent.stop();
  }
  return { ok: true, figures, busy };
};

/** The figures, or why there are none: the virtual reader needs root and Debian's packages. */
export const measureCard = async (folder: string): Promise<CardResult> => {
  if (process.getuid?.() !== 0) return { ok: false, why: "the virtual reader needs root" };
  let scene: CardScene;
  try {
    scene = await openCardScene(join(folder, "card"));
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : "no reader" };
  }
  try {
    return await measureAll(scene);
  } finally {
    await scene.close();
  }
};
