// SPDX-License-Identifier: Apache-2.0
// Serves the three HSMSecret hooks: does the reads and writes that the pure functions plan, lets them decide, then logs, counts
// and posts events.
import type { KeyedChecksums } from "../../hooks/checksum.ts";
import type { FailedWrite, HookContext, Reading } from "../../hooks/hsmsecret/index.ts";
import * as hsmSecret from "../../hooks/hsmsecret/index.ts";
import { FinalizeResponse, SyncResponse } from "../../hooks/metacontroller.ts";
import type { PathPolicy } from "../../hooks/path-policy.ts";
import { sendError } from "../http/errors.ts";
import type { KeyswitchServer } from "../http/instance.ts";
import { rfc3339 } from "../time.ts";
import type { AgentClient } from "./agent-client.ts";
import type { AgentWriter } from "./agent-writer.ts";
import type { EventSink } from "./events.ts";
import { addCustomizeRoute, createHookReport, type HookMetrics, type HookReport } from "./hook-routes.ts";
import type { ParentCheck } from "./parent-check.ts";
import { createTokenChanges, type TokenChanges } from "./token-changes.ts";

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

/** The code of what failed, for the log: of the write, or else of the reading. */
const codeOf = (reading: Reading | undefined, failure: FailedWrite | undefined): string | undefined => {
  if (failure !== undefined && "code" in failure) return failure.code;
  return reading?.outcome === "unavailable" ? reading.code : undefined;
};

const answererOf = (reading: Reading | undefined): string | undefined =>
  reading === undefined || reading.outcome === "unavailable" ? undefined : hsmSecret.answererName(reading);

const countReading = (metrics: HookMetrics, reading: Reading | undefined): void => {
  if (reading?.outcome === "unavailable") metrics.unavailable(reading.code);
  else if (reading !== undefined && hsmSecret.isDegraded(reading)) metrics.degraded(reading.device);
};

/** What the routes share. */
type Hooks = Pick<HsmSecretRouteOptions, "agents" | "metrics"> & {
  readonly now: () => number;
  readonly context: () => HookContext;
  readonly done: HookReport;
  readonly tokenChanges: TokenChanges;
};

const addSync = (
  app: KeyswitchServer,
  { agents, metrics, now, context, done, tokenChanges }: Hooks,
): void => {
  app.post(
    "/hooks/hsmsecret/sync",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: SyncResponse } },
    },
    async (request, reply) => {
      const { parent } = request.body;
      const startedAt = performance.now();
      const begunAt = now();
      // One context for the plan and the decision: a policy that changes in between must not split them.
      const assessment = hsmSecret.assess(request.body, context());
      const plan = hsmSecret.plan(assessment);
      const roomFor = (bytes: number, signal: AbortSignal) => reply.roomFor(bytes, signal);
      const answer = plan.read ? await agents.read({ ...plan, requestId: request.id, roomFor }) : undefined;
      const reading = hsmSecret.withoutStale(assessment, answer);
      countReading(metrics, reading);
      const judgement = hsmSecret.judge(assessment, reading);
      const write = hsmSecret.planWrite(judgement);
      const written = write && (await tokenChanges.write({ request, parent, startedAt, begunAt }, write));
      const agent = answererOf(reading);
      const told = { hook: "sync", agent, startedAt } as const;
      if (write !== undefined && written?.outcome === "written") {
        const { againAfterSeconds, outcome, events: news } = hsmSecret.writtenBack(assessment, write);
        done(request, parent, { ...told, outcome, events: news });
        return sendError(reply, "SYNC_AGAIN", { retryAfterSeconds: againAfterSeconds });
      }
      const failure = written?.outcome === "written" ? undefined : written;
      const { response, outcome, events: news } = hsmSecret.sync(judgement, failure);
      metrics.synced(outcome);
      done(request, parent, { ...told, outcome, code: codeOf(reading, failure), events: news });
      return response;
    },
  );
};

const addFinalize = (app: KeyswitchServer, { now, context, done, tokenChanges }: Hooks): void => {
  app.post(
    "/hooks/hsmsecret/finalize",
    {
      config: { scope: "hook" },
      schema: { body: hsmSecret.HSMSecretSyncRequest, response: { 200: FinalizeResponse } },
    },
    async (request) => {
      const { parent } = request.body;
      const startedAt = performance.now();
      const begunAt = now();
      const assessment = hsmSecret.assess(request.body, context());
      const wanted = hsmSecret.planRemoval(assessment);
      const removal = wanted && (await tokenChanges.remove({ request, parent, startedAt, begunAt }, wanted));
      const { response, outcome, events: told } = hsmSecret.finalize(assessment, removal);
      done(request, parent, { hook: "finalize", outcome, startedAt, events: told });
      return response;
    },
  );
};

/** Adds POST /hooks/hsmsecret/{customize,sync,finalize}. */
export const addHsmSecretRoutes = (app: KeyswitchServer, options: HsmSecretRouteOptions): void => {
  const { agents, writer, parents, policy, checksums, events, metrics, clock } = options;
  const { now = () => performance.now() } = options;
  const hooks: Hooks = {
    agents,
    metrics,
    now,
    context: () => ({
      policy: policy(),
      agents: agents.states().map(({ name }) => name),
      checksums: checksums(),
      now: rfc3339(clock()),
    }),
    done: createHookReport({ resource: "hsmsecret", events, metrics, quiet: ["Synced", "SyncedFromMirror"] }),
    tokenChanges: createTokenChanges({ writer, parents, metrics, now }),
  };
  const { HSMSecretCustomizeRequest: body, customize } = hsmSecret;
  addCustomizeRoute(app, { resource: "hsmsecret", body, customize }, hooks.done);
  addSync(app, hooks);
  addFinalize(app, hooks);
};
