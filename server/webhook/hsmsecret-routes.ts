// SPDX-License-Identifier: Apache-2.0
// The three HSMSecret hooks over HTTP: do what the pure functions plan, let them decide, then log, count and post events.
import type { FastifyRequest } from "fastify";
import type {
  HookContext,
  HSMSecret,
  RemovalOutcome,
  Write,
  WriteOutcome,
} from "../../hooks/hsmsecret/index.ts";
import * as hsmSecret from "../../hooks/hsmsecret/index.ts";
import type { KeyedChecksums } from "../../hooks/keyed-checksum.ts";
import { CustomizeResponse, FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { PathPolicy } from "../../hooks/path-policy.ts";
import { sendError } from "../http/errors.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import type { AgentClient } from "./agent-client.ts";
import type { AgentWriter } from "./agent-writer.ts";
import type { EventSink } from "./events.ts";
import type { HookMetrics } from "./hook-metrics.ts";
import { createHookReport, timestamp } from "./hook-report.ts";
import type { ParentCheck } from "./parent-check.ts";

export type HsmSecretRouteOptions = {
  agents: Pick<AgentClient, "read" | "states">;
  writer: Pick<AgentWriter, "write" | "remove">;
  /** Asked before a token is changed. */
  parents: Pick<ParentCheck, "refusal">;
  policy: () => PathPolicy;
  checksums: () => KeyedChecksums;
  events: Pick<EventSink, "post">;
  metrics: HookMetrics;
  /** Wall clock. */
  clock: () => Date;
  /** Milliseconds, monotonic: measures what is left of the budget. */
  now?: () => number;
};

/** Milliseconds for all that a hook asks of agents. Metacontroller waits 10 s. */
const BUDGET_MS = 8000;
/** A write is not begun with less time than this: one on a slow token takes more than a second. */
const LEAST_FOR_WRITE_MS = 3000;

const TOO_LATE: WriteOutcome = {
  outcome: "unavailable",
  code: "TIMEOUT",
  message: "reading the token took so long that the write was not begun.",
};

/** Adds POST /hooks/hsmsecret/{customize,sync,finalize}. */
export const addHsmSecretRoutes = (app: KeyswitchServer, options: HsmSecretRouteOptions): void => {
  const {
    agents,
    writer,
    parents,
    policy,
    checksums,
    events,
    metrics,
    clock,
    now = () => performance.now(),
  } = options;
  const context = (): HookContext => ({
    policy: policy(),
    agents: agents.states().map(({ name }) => name),
    checksums: checksums(),
    now: timestamp(clock()),
  });

  const done = createHookReport({ resource: "hsmsecret", events, metrics, quiet: ["Synced"] });

  const writeBack = async (
    request: FastifyRequest,
    parent: HSMSecret,
    write: Write,
    { startedAt, begunAt }: { startedAt: number; begunAt: number },
  ): Promise<WriteOutcome> => {
    const refusal = await parents.refusal(parent, "write");
    const timeoutMs = BUDGET_MS - (now() - begunAt);
    const isLate = timeoutMs < LEAST_FOR_WRITE_MS;
    const outcome =
      refusal ?? (isLate ? TOO_LATE : await writer.write(write, { requestId: request.id, timeoutMs }));
    const { path, device, data } = write;
    changed(request, "write", outcome, { path, device, keys: Object.keys(data).length, startedAt });
    return outcome;
  };

  /** Counts a change of a token and logs it: one line each, without values. */
  const changed = (
    request: FastifyRequest,
    operation: "write" | "remove",
    outcome: WriteOutcome | RemovalOutcome,
    about: { path: string; device?: string; keys?: number; startedAt: number },
  ): void => {
    const result = "code" in outcome ? outcome.code : outcome.outcome;
    metrics.tokenChange(operation, result);
    const durationMs = Math.round(performance.now() - about.startedAt);
    const level = outcome.outcome === "written" || outcome.outcome === "removed" ? "info" : "warn";
    const { path, device: agent, keys } = about;
    request.log[level]({ operation, path, agent, keys, outcome: result, durationMs }, "token change");
  };

  app.post(
    "/hooks/hsmsecret/customize",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretCustomizeRequest, response: { 200: CustomizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const { parent } = request.body;
      const response = hsmSecret.customize(parent);
      done(request, parent, { hook: "customize", outcome: "Customized", startedAt, events: [] });
      return response;
    },
  );

  app.post(
    "/hooks/hsmsecret/sync",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: SyncResponse } },
    },
    async (request, reply) => {
      const startedAt = performance.now();
      const begunAt = now();
      // One context for the plan and the decision: a policy that changes in between must not split them.
      const assessment = hsmSecret.assess(request.body, context());
      const plan = hsmSecret.plan(assessment);
      const roomFor = (bytes: number, signal: AbortSignal) => reply.roomFor(bytes, signal);
      const answer = plan.read ? await agents.read({ ...plan, requestId: request.id, roomFor }) : undefined;
      const reading = hsmSecret.believed(assessment, answer);
      if (reading?.outcome === "unavailable") metrics.unavailable(reading.code);
      const judgement = hsmSecret.judge(assessment, reading);
      const write = hsmSecret.planWrite(judgement);
      const written = write && (await writeBack(request, request.body.parent, write, { startedAt, begunAt }));
      const agent = reading !== undefined && "device" in reading ? reading.device : undefined;
      const told = { hook: "sync", agent, startedAt } as const;
      if (write !== undefined && written?.outcome === "written") {
        const { againAfterSeconds, outcome, events: news } = hsmSecret.writtenBack(assessment, write);
        done(request, request.body.parent, { ...told, outcome, events: news });
        return sendError(reply, "SYNC_AGAIN", { retryAfterSeconds: againAfterSeconds });
      }
      const failure = written?.outcome === "written" ? undefined : written;
      const { response, outcome, events: news } = hsmSecret.sync(judgement, failure);
      metrics.synced(outcome);
      const unread = reading?.outcome === "unavailable" ? reading.code : undefined;
      const code = failure !== undefined && "code" in failure ? failure.code : unread;
      done(request, request.body.parent, { ...told, outcome, code, events: news });
      return response;
    },
  );

  app.post(
    "/hooks/hsmsecret/finalize",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: FinalizeResponse } },
    },
    async (request) => {
      const startedAt = performance.now();
      const begunAt = now();
      const assessment = hsmSecret.assess(request.body, context());
      const wanted = hsmSecret.planRemoval(assessment);
      const refusal = wanted && (await parents.refusal(request.body.parent, "remove"));
      const timeoutMs = BUDGET_MS - (now() - begunAt);
      const removal =
        refusal ?? (wanted && (await writer.remove(wanted, { requestId: request.id, timeoutMs })));
      if (wanted && removal) changed(request, "remove", removal, { ...wanted, startedAt });
      const { response, outcome, events: told } = hsmSecret.finalize(assessment, removal);
      done(request, request.body.parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};
