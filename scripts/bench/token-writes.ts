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
const IMPORT = "secrets/imported/s";

/** Milliseconds of one write: of both keys of a secret, or of one. `…Calls` are the bare calls for the same objects. */
interface LayoutWrites {
  readonly layout: "packed" | "per-key";
  readonly secret: Timing;
  readonly secretCalls: Timing;
  readonly key: Timing;
  readonly keyCalls: Timing;
}

/** Milliseconds for IMPORTED secrets in one request, and for making the same objects with bare calls. */
interface Import {
  readonly importMs: number;
  readonly importCallsMs: number;
}

export interface TokenWrites extends Import {
  readonly secrets: number;
  readonly layouts: readonly LayoutWrites[];
  /** In the per-key layout; the others are of the packed one. */
  readonly perKeyImport: Import;
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

/** Of one object. */
const bytesOf = (layout: LayoutWrites["layout"]): number =>
  layout === "packed" ? PACKED_BYTES : VALUE_BYTES;

const labelsOf = (layout: LayoutWrites["layout"], path: string, keys: readonly string[]): string[] =>
  layout === "packed" ? [path] : [...keys, "_metadata"].map((key) => `${path}/${key}`);

const measureLayout = async (open: Open, layout: LayoutWrites["layout"]): Promise<LayoutWrites> => {
  const bytes = bytesOf(layout);
  await importInto(open, "secrets/bench/s", SECRETS);
  const all = Array.from({ length: SECRETS }, (_, index) => pathOf(index));
  await open.bare(
    "create",
    all.map((path) => labelsOf(layout, path, KEYS)),
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
        paths.map((path) => labelsOf(layout, path, KEYS)),
        bytes,
      ),
      keyCalls: await open.bare(
        "replace",
        paths.map((path) => labelsOf(layout, path, [first])),
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

const measureImport = async (open: Open, layout: LayoutWrites["layout"]): Promise<Import> => {
  const labels = Array.from({ length: IMPORTED }, (_, index) => labelsOf(layout, `${IMPORT}${index}`, KEYS));
  const samples = await open.bare("create", labels, bytesOf(layout));
  return {
    importCallsMs: rounded(samples.reduce((sum, ms) => sum + ms, 0)),
    importMs: rounded(await timed(() => importInto(open, IMPORT, IMPORTED))),
  };
};

/** Writes to a token of SECRETS secrets, and an import. */
const measureOne = async (folder: string, layout: LayoutWrites["layout"]) => {
  const open = await openLayout(folder, layout);
  try {
    return { writes: await measureLayout(open, layout), imported: await measureImport(open, layout) };
  } finally {
    await open.close();
  }
};

/** Writes and an import in each layout. */
export const measureTokenWrites = async (folder: string): Promise<TokenWrites> => {
  const packed = await measureOne(folder, "packed");
  const perKey = await measureOne(folder, "per-key");
  return {
    secrets: SECRETS,
    layouts: [packed.writes, perKey.writes],
    ...packed.imported,
    perKeyImport: perKey.imported,
  };
};
