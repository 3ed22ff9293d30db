// SPDX-License-Identifier: Apache-2.0
// Measures writes through the agent in either layout, and an import, beside the PKCS#11 calls for the same objects.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Pool } from "undici";
import { makeToken } from "../local/softhsm-token.ts";
import { pathOf, startBenchAgent } from "./bench-token.ts";
import { startMeasuringProcess } from "./measuring-process.ts";
import { rounded, type Timing, timingOf } from "./quantile.ts";
import { CallsReply, type CallsRequest } from "./token-calls.ts";

const SECRETS = 200;
const KEYS = ["username", "password"];
const VALUE_BYTES = 32;
/** About what the packed object of two such keys has. */
const PACKED_BYTES = 250;
const ROUNDS = 5;
const WRITES = 12;
const IMPORTED = 500;
const LAYOUTS = ["packed", "per-key"] as const;

/** Milliseconds of one write: of both keys of a secret, or of one. `…Calls` are the bare calls for the same objects. */
interface LayoutWrites {
  readonly layout: (typeof LAYOUTS)[number];
  readonly secret: Timing;
  readonly secretCalls: Timing;
  readonly key: Timing;
  readonly keyCalls: Timing;
}

export interface TokenWrites {
  readonly secrets: number;
  readonly layouts: readonly LayoutWrites[];
  /** Milliseconds for IMPORTED secrets in one request, and for making as many packed objects with bare calls. */
  readonly importMs: number;
  readonly importCallsMs: number;
}

const value = (): string => randomBytes(VALUE_BYTES).toString("base64");
const secret = (): Record<string, string> => Object.fromEntries(KEYS.map((key) => [key, value()]));

const Results = Type.Object({ results: Type.Array(Type.Object({ outcome: Type.String() })) });

/** One layout: a token and an agent of its own, and a second token of the same size for the bare calls. */
const openLayout = async (folder: string, layout: LayoutWrites["layout"]) => {
  const own = join(folder, `writes-${layout}`);
  mkdirSync(own, { recursive: true });
  mkdirSync(join(own, "bare"));
  const writeToken = randomBytes(24).toString("base64url");
  const tokenFile = join(own, "write-token");
  writeFileSync(tokenFile, `${writeToken}\n`, { mode: 0o600 });
  const token = await makeToken(own);
  token.close();
  const bareToken = await makeToken(join(own, "bare"));
  bareToken.close();
  const agent = await startBenchAgent(token, { WRITE_TOKEN_FILE: tokenFile, STORAGE_LAYOUT: layout });
  const pool = new Pool(agent.url, { connections: 1 });
  const calls = startMeasuringProcess("token-calls.ts", CallsReply, bareToken.env);
  const send = async (method: "PUT" | "PATCH" | "POST", path: string, body: object): Promise<unknown> => {
    const answer = await pool.request({
      method,
      path,
      headers: { authorization: `Bearer ${writeToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`the agent answered ${answer.statusCode}: ${text}`);
    return JSON.parse(text);
  };
  const bare = async (kind: CallsRequest["kind"], labels: string[][], bytes: number): Promise<number[]> => {
    const { module, label, pin } = bareToken;
    return (await calls.ask({ module, label, pin, kind, secrets: labels, bytes })).samples;
  };
  return {
    send,
    bare,
    close: () => Promise.all([pool.close(), calls.stop(), agent.stop()]),
  };
};

type Open = Awaited<ReturnType<typeof openLayout>>;

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
};

const importInto = async ({ send }: Open, prefix: string, count: number): Promise<void> => {
  const secrets = Array.from({ length: count }, (_, index) => ({
    path: `${prefix}${index}`,
    data: secret(),
  }));
  const answer = await send("POST", "/v1/import", { secrets });
  if (!Value.Check(Results, answer) || answer.results.some(({ outcome }) => outcome !== "created")) {
    throw new Error("the import failed");
  }
};

const measureLayout = async (open: Open, layout: LayoutWrites["layout"]): Promise<LayoutWrites> => {
  const packed = layout === "packed";
  const bytes = packed ? PACKED_BYTES : VALUE_BYTES;
  const labelsOf = (path: string, keys: readonly string[]): string[] =>
    packed ? [path] : [...keys, "_metadata"].map((key) => `${path}/${key}`);
  await importInto(open, "secrets/bench/s", SECRETS);
  const all = Array.from({ length: SECRETS }, (_, index) => pathOf(index));
  await open.bare(
    "create",
    all.map((path) => labelsOf(path, KEYS)),
    bytes,
  );
  const samples = {
    secret: [] as number[],
    secretCalls: [] as number[],
    key: [] as number[],
    keyCalls: [] as number[],
  };
  let asked = 0;
  for (let round = -1; round < ROUNDS; round += 1) {
    const paths = Array.from({ length: WRITES }, () => {
      asked += 1;
      return pathOf((asked * 7919) % SECRETS);
    });
    const [first = "key"] = KEYS;
    const found = {
      secret: [] as number[],
      key: [] as number[],
      secretCalls: await open.bare(
        "replace",
        paths.map((path) => labelsOf(path, KEYS)),
        bytes,
      ),
      keyCalls: await open.bare(
        "replace",
        paths.map((path) => labelsOf(path, [first])),
        bytes,
      ),
    };
    for (const path of paths) {
      const route = `/v1/secrets/${path}`;
      found.secret.push(await timed(() => open.send("PUT", route, { data: secret() })));
      found.key.push(await timed(() => open.send("PATCH", route, { data: { [first]: value() } })));
    }
    // The first round warms up.
    if (round < 0) continue;
    for (const name of ["secret", "key", "secretCalls", "keyCalls"] as const) {
      samples[name].push(...found[name]);
    }
  }
  return {
    layout,
    secret: timingOf(samples.secret),
    secretCalls: timingOf(samples.secretCalls),
    key: timingOf(samples.key),
    keyCalls: timingOf(samples.keyCalls),
  };
};

/** Writes to tokens of SECRETS secrets in each layout, and an import. */
export const measureTokenWrites = async (folder: string): Promise<TokenWrites> => {
  const layouts: LayoutWrites[] = [];
  let importMs = 0;
  let importCallsMs = 0;
  for (const layout of LAYOUTS) {
    const open = await openLayout(folder, layout);
    try {
      layouts.push(await measureLayout(open, layout));
      if (layout !== "packed") continue;
      const labels = Array.from({ length: IMPORTED }, (_, index) => [`secrets/imported/s${index}`]);
      const samples = await open.bare("create", labels, PACKED_BYTES);
      importCallsMs = rounded(samples.reduce((sum, ms) => sum + ms, 0));
      importMs = rounded(await timed(() => importInto(open, "secrets/imported/s", IMPORTED)));
    } finally {
      await open.close();
    }
  }
  return { secrets: SECRETS, layouts, importMs, importCallsMs };
};
