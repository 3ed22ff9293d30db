// SPDX-License-Identifier: Apache-2.0
// Asks the discovery of several nodes at once, by the addresses of its pods and within one deadline.
import type { Logger } from "pino";
import type { NodeReport, Question, Reading } from "../../hooks/hsmdevice/index.ts";
import { callAgent } from "../agent-api/client.ts";
import { DiscoveryBody } from "../discovery-api/schema.ts";
import { type HttpPool, openHttpPool } from "../http/http-pool.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { timeLimit } from "../time.ts";

/** What discovery is asked with. */
export type DiscoveryAccess = {
  /** The first token of the file is sent. */
  tokenFile: string;
  /** Absent: the system's CAs are trusted. */
  caFile?: string;
  /** The name in the certificate that every pod of discovery shows. */
  serverName: string;
};

export type DiscoveryClient = {
  /** Never throws; a node that does not answer in time is not in the reading. */
  ask(questions: readonly Question[], requestId: string): Promise<Reading>;
  close(): Promise<void>;
};

export type DiscoveryClientOptions = DiscoveryAccess & {
  logger: Logger;
  port?: number;
  /** For all nodes together, which are asked at once. Metacontroller waits 10 s for a hook. */
  budgetMs?: number;
};

const PORT = 8446;
const BUDGET_MS = 3000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Longer than the hooks wait until they ask again, so that a connection serves more than one call. */
const IDLE_MS = 15_000;

const body = compileSchema(DiscoveryBody);

/** Where nobody says how to ask discovery, no node reports. */
export const noDiscovery: DiscoveryClient = { ask: async () => new Map(), close: async () => {} };

/** @throws UnusableFile when the token or CA file can't be used at the start. */
export const createDiscoveryClient = (options: DiscoveryClientOptions): DiscoveryClient => {
  const { logger, tokenFile, caFile, serverName, port = PORT, budgetMs = BUDGET_MS } = options;
  const http = openHttpPool({
    tokenFile,
    ...(caFile !== undefined && { caFile }),
    serverName,
    connectTimeoutMs: budgetMs,
    connections: 4,
    idleMs: IDLE_MS,
    maxResponseBytes: MAX_ANSWER_BYTES,
    logger,
  });
  return {
    async ask(questions, requestId) {
      const signal = timeLimit(budgetMs);
      const answers = await Promise.all(
        questions.map(async ({ node, address }): Promise<readonly [string, NodeReport][]> => {
          const host = address.includes(":") ? `[${address}]` : address;
          const answer = await askOne(http, { origin: `https://${host}:${port}`, signal, requestId });
          if (answer.ok) return [[node, answer.report]];
          logger.warn({ node, address, requestId }, `discovery ${answer.message}`);
          return [];
        }),
      );
      return new Map(answers.flat());
    },
    close: () => http.close(),
  };
};

type Answer = { ok: true; report: NodeReport } | { ok: false; message: string };

const askOne = async (
  http: HttpPool,
  { origin, signal, requestId }: { origin: string; signal: AbortSignal; requestId: string },
): Promise<Answer> => {
  const request = { method: "GET", path: "/v1/devices", requestId } as const;
  const answer = await callAgent(http, request, { origin, signal });
  if (!("status" in answer)) return { ok: false, message: answer.what };
  if (answer.status !== 200) return { ok: false, message: `answered ${answer.status}` };
  const report = jsonOf(answer.body);
  return body.Check(report) ? { ok: true, report } : { ok: false, message: "answered something else" };
};
