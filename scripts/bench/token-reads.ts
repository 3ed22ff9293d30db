// SPDX-License-Identifier: Apache-2.0
// Measures reads through the agent on tokens of several sizes, beside bare PKCS#11 calls and a scan of the token.
import { Pool } from "undici";
import { type BenchToken, pathOf } from "./bench-token.ts";
import { startMeasuringProcess } from "./measuring-process.ts";
import { type Timing, timingOf } from "./quantile.ts";
import { CallsReply, type CallsRequest } from "./token-calls.ts";

const ROUNDS = 8;
const READS = 60;
const FINDS = 6;
/** Objects that the scans of one round may touch: the more there are, the fewer scans. */
const SCANNED = 4000;

/** Milliseconds of one secret's read. */
export interface TokenReads {
  readonly secrets: number;
  readonly agent: Timing;
  readonly calls: Timing;
  readonly scan: Timing;
}

const open = ({ secrets, token, agent }: BenchToken, keys: readonly string[]) => {
  const pool = new Pool(agent.url, { connections: 1 });
  const process = startMeasuringProcess("token-calls.ts", CallsReply, token.env);
  let asked = 0;
  const paths = (count: number): string[] =>
    Array.from({ length: count }, () => {
      asked += 1;
      return pathOf((asked * 7919) % secrets);
    });
  const samples = { agent: [] as number[], calls: [] as number[], scan: [] as number[] };
  const bare = async (kind: CallsRequest["kind"], count: number): Promise<number[]> => {
    const { module, label, pin } = token;
    const labels = paths(count).map((path) => keys.map((key) => `${path}/${key}`));
    return (await process.ask({ module, label, pin, kind, secrets: labels })).samples;
  };
  return {
    async round() {
      for (const path of paths(READS)) {
        const begin = performance.now();
        const { statusCode, body } = await pool.request({ method: "GET", path: `/v1/secrets/${path}` });
        await body.text();
        samples.agent.push(performance.now() - begin);
        if (statusCode !== 200) throw new Error(`the agent answered ${statusCode}`);
      }
      samples.calls.push(...(await bare("find", FINDS)));
      samples.scan.push(
        ...(await bare("scan", Math.max(1, Math.floor(SCANNED / keys.length / secrets / 2)))),
      );
    },
    forget() {
      for (const list of Object.values(samples)) list.length = 0;
    },
    figures: (): TokenReads => ({
      secrets,
      agent: timingOf(samples.agent),
      calls: timingOf(samples.calls),
      scan: timingOf(samples.scan),
    }),
    close: () => Promise.all([pool.close(), process.stop()]),
  };
};

/** Reads from each token by turns, so that a busy moment of the machine meets all of them. */
export const measureTokenReads = async (
  tokens: readonly BenchToken[],
  keys: readonly string[],
): Promise<TokenReads[]> => {
  const opened = tokens.map((token) => open(token, keys));
  try {
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
