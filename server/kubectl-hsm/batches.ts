// SPDX-License-Identifier: Apache-2.0
// Sends many secrets in small requests, with a result for each, a progress bar and a summary: tokens write slowly.
import { codesOf } from "../../hooks/error-codes.ts";
import type { ItemResult, ItemResults } from "../agent-api/bulk-schema.ts";
import type { Answer } from "./agent/answer.ts";
import type { Context } from "./context.ts";
import { CommandFailed, type ExitName } from "./exit-codes.ts";
import { startProgress } from "./progress.ts";

export type Outcome = {
  path: string;
  outcome: string;
  code?: string | undefined;
  message?: string | undefined;
};

/** Why what is left is not sent. */
type Stop = { exit: ExitName; message: string };

type Sent = { outcomes: Outcome[]; stopped: Stop | undefined };

/** Of one request: so many writes, and no more than about so many bytes. */
const MAX_ITEMS = 5;
const MAX_BYTES = 256 * 1024;

/** Groups that keep the order. An item that is larger than a request should be goes alone. */
export const batchesOf = <T>(items: readonly T[], sizeOf: (item: T) => number): T[][] => {
  const batches: T[][] = [];
  let size = 0;
  for (const item of items) {
    const last = batches.at(-1);
    const itemSize = sizeOf(item);
    if (last !== undefined && last.length < MAX_ITEMS && size + itemSize <= MAX_BYTES) {
      last.push(item);
      size += itemSize;
    } else {
      batches.push([item]);
      size = itemSize;
    }
  }
  return batches;
};

/** After these the next request comes to the same; the agent itself has stopped trying within this one. */
const TOKEN_GONE: readonly string[] = codesOf("token-unreadable");

/**
 * Sends the batches one after the other. One that the agent refuses is so many failures; when the agent is gone, or
 * refuses the credentials, the rest is not sent.
 */
export const sendBatches = async <T extends { path: string }>(
  context: Context,
  batches: readonly T[][],
  verb: string,
  send: (batch: T[]) => Promise<Answer<ItemResults>>,
): Promise<Sent> => {
  const outcomes: Outcome[] = [];
  const total = batches.reduce((sum, batch) => sum + batch.length, 0);
  const progress = startProgress(context.io, total, verb);
  let stopped: Stop | undefined;
  for (const batch of batches) {
    if (stopped !== undefined) {
      outcomes.push(...batch.map(({ path }) => ({ path, outcome: "not sent" })));
      continue;
    }
    const sent = sentBatch(batch, await attempt(() => send(batch)));
    outcomes.push(...sent.outcomes);
    stopped = sent.stopped;
    progress.advance(outcomes.length, batch.at(-1)?.path ?? "");
  }
  progress.end();
  return { outcomes, stopped };
};

type Attempt =
  | { ok: true; body: ItemResults }
  | { ok: false; code: string | undefined; message: string; exit: ExitName };

/** A request that came to no answer is one that failed, like those that did. */
const attempt = async (send: () => Promise<Answer<ItemResults>>): Promise<Attempt> => {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return { ok: false, code: undefined, message: error.message, exit: error.exit };
  }
};

const sentBatch = (batch: readonly { path: string }[], answer: Attempt): Sent => {
  if (!answer.ok) {
    const { code, message, exit } = answer;
    const outcomes = batch.map(({ path }) => ({ path, outcome: "failed", code, message }));
    return {
      outcomes,
      stopped: exit === "unreachable" || exit === "forbidden" ? { exit, message } : undefined,
    };
  }
  const outcomes = batch.map(({ path }, index) => outcomeOf(path, answer.body.results[index]));
  const { code, message } = outcomes.at(-1) ?? {};
  const isGone = code !== undefined && TOKEN_GONE.includes(code);
  return { outcomes, stopped: isGone ? { exit: "unreachable", message: message ?? code } : undefined };
};

const outcomeOf = (path: string, result: ItemResult | undefined): Outcome =>
  result === undefined || result.path !== path
    ? { path, outcome: "failed", message: "the agent did not say what became of it" }
    : { path, outcome: result.outcome, code: result.code, message: result.message };

/** In the order of a summary. */
const OUTCOMES = ["created", "changed", "repacked", "unchanged", "skipped", "failed", "not sent"];

const countsOf = (outcomes: readonly Outcome[]): Record<string, number> =>
  Object.fromEntries(
    OUTCOMES.map((name) => [name, outcomes.filter(({ outcome }) => outcome === name).length]),
  );

/** Prints what became of each and how many of what; ends with `partial` where anything failed. */
export const reportOutcomes = async (
  context: Context,
  outcomes: readonly Outcome[],
  shown: readonly string[],
  extra: { dryRun?: true; stopped?: Stop | undefined } = {},
): Promise<ExitName> => {
  const counts = countsOf(outcomes);
  const failed = (counts.failed ?? 0) + (counts["not sent"] ?? 0);
  const summary = OUTCOMES.filter((name) => shown.includes(name) || (counts[name] ?? 0) > 0)
    .map((name) => `${counts[name]} ${name}`)
    .join(", ");
  await context.output.result(
    {
      ...(extra.dryRun && { dryRun: true }),
      summary: Object.fromEntries(
        Object.entries(counts).filter(([name, count]) => shown.includes(name) || count > 0),
      ),
      results: outcomes,
    },
    [
      ...outcomes.map(({ path, outcome, message }) =>
        message === undefined ? `${path} ${outcome}` : `${path} ${outcome}: ${message}`,
      ),
      `${summary}${extra.dryRun ? " (dry run)" : ""}`,
    ],
  );
  if (extra.stopped !== undefined && counts.failed === outcomes.length - (counts["not sent"] ?? 0)) {
    return extra.stopped.exit;
  }
  return failed > 0 ? "partial" : "done";
};
