// SPDX-License-Identifier: Apache-2.0
// Makes changes on the token through the child processes: serialized, confirmed, and recovered after a failure.

import type { Layout, RepairResult } from "../../../agent-api/schema.ts";
import { createBoundedQueue } from "../../../queue.ts";
import type { Clock } from "../../../time.ts";
import {
  type Change,
  type ChangeResult,
  type Precondition,
  type RepairOutcome,
  type Unavailable,
  unavailable,
} from "../../store.ts";
import type { Answer } from "../answers.ts";
import type { ChangeOperation, Operation } from "../messages.ts";
import { type CallAnswer, OUT_OF_TURN } from "./pending-calls.ts";
import type { Supervisor } from "./supervisor.ts";
import type { TokenChild } from "./token-child.ts";
import { type Begun, CUT_OFF, conclusionOf, MIXED, uncertain } from "./write-conclusion.ts";
import type { WriteLimits } from "./write-limits.ts";
import { mayHide, verdictOf, type WriteVerdict } from "./write-outcome.ts";

export type TokenChanges = {
  change(path: string, change: Change, precondition: Precondition): Promise<ChangeResult>;
  /** Any other operation that must not run beside a change, and when those before it have ended. */
  inTurn<T>(work: () => Promise<T>): Promise<T | Unavailable>;
  /** Completes or undoes what cut writes have left, once those before it have ended. */
  recover(): void;
  /** Mends what is wrong on the token, or only names it. */
  repair(dryRun: boolean): Promise<RepairOutcome>;
  /** Loads a view as new as `since`, and settles what that shows of cut writes. */
  refresh(since: number): Promise<Unavailable | undefined>;
  /** Waiting or running. */
  readonly length: number;
};

export type TokenChangesOptions = {
  supervisor: Supervisor;
  clock: Clock;
  /** Whether anything may be changed. */
  writable: boolean;
  layout: Layout;
  limits: WriteLimits;
  /** How long a change may wait for its turn. */
  waitMs: number;
  /** RFC 3339. */
  timestamp: () => string;
  changed: () => void;
  /** Told of paths whose cut writes were completed or undone. */
  recovered: (paths: readonly string[]) => void;
};

/** Changes that may wait; one more is refused at once. */
const CAPACITY = 100;
/** How often a change starts over because the token changed under it. */
const STALE_TRIES = 3;

/** What the path holds once the write is in force. */
const wantedBy = ({ result }: Begun): string | null => (result.kind === "written" ? result.checksum : null);

/** The change as structured clone takes it through the schema of messages.ts. */
const operationOf = (change: Change): ChangeOperation["change"] =>
  change.type === "put"
    ? { ...change, data: [...change.data] }
    : change.type === "patch"
      ? { ...change, data: [...change.data] }
      : change;

const tags = (named: readonly string[] | "*"): string[] | "*" => (named === "*" ? named : [...named]);

/** Changes through the children of `supervisor`. */
export const createTokenChanges = (options: TokenChangesOptions): TokenChanges => {
  const { supervisor, clock, limits, layout, waitMs } = options;
  /** The highest version that a write in vain may have left at a path, on a token that hides objects. */
  const floors = new Map<string, number>();
  const queue = createBoundedQueue<() => Promise<unknown>, unknown>(
    CAPACITY,
    (work) => work(),
    options.changed,
  );

  const inTurn = async <T>(work: () => Promise<T>): Promise<T | Unavailable> => {
    const late = new AbortController();
    const { promise, resolve } = Promise.withResolvers<T | Unavailable>();
    const stop = clock.after(waitMs, () => {
      late.abort();
      resolve(unavailable("TIMEOUT", "the token was busy with other writes; this one was not begun", 1));
    });
    const queued = queue.submit(async () => {
      stop();
      resolve(await work());
    }, late.signal);
    if (queued === undefined) {
      stop();
      return unavailable("TIMEOUT", "too many writes are waiting for the token; this one was not begun", 1);
    }
    return promise;
  };

  /** The child's answer, or what became of the child instead. */
  const ask = async (child: TokenChild, operation: Operation): Promise<CallAnswer> =>
    (await child.call(operation)).answer;

  const refusal = (path: string, answer: Extract<Answer, { kind: "refused" }>): ChangeResult => {
    if (answer.learned !== undefined) limits.refused(answer.learned);
    if (answer.version !== undefined) floors.set(path, Math.max(answer.version, floors.get(path) ?? 0));
    return { kind: "refused", code: answer.code, message: answer.message };
  };

  /**
   * Has a child that loads the token anew look at what was begun, which then removes what is left over. The result, or
   * `again` where the token is as it was and the write is worth another try.
   */
  const confirm = async (
    path: string,
    writer: TokenChild,
    begun: Begun,
    tried: boolean,
  ): Promise<ChangeResult | "again"> => {
    const failed = await supervisor.refreshedSince(clock.now());
    const reader = supervisor.serving();
    const looked =
      failed === undefined && reader !== undefined
        ? await ask(reader, { type: "look", path, begun: begun.begun, wanted: wantedBy(begun) })
        : undefined;
    if (looked?.kind !== "looked" || reader === undefined) return uncertain(CUT_OFF);
    if (looked.shown && !looked.wanted) return uncertain(MIXED);
    await ask(reader, { type: "tidy", path, remove: looked.shown ? begun.begun.remove : [] });
    const bytes = begun.failed?.bytes ?? begun.largestBytes;
    const verdict = verdictOf({
      failure: begun.failed?.ckr,
      look: looked.shown ? "shown" : "not-shown",
      hides: mayHide(reader.view),
      again: tried,
    });
    if (verdict === "full" && limits.tooLarge(bytes)) return "again";
    // What another process does not see may show up later: the one that made it takes it back.
    const isGone = verdict !== "not-shown" || (await ask(writer, { type: "undo", path })).kind === "undone";
    return isGone ? concluded(path, begun, verdict, looked.objects) : uncertain(CUT_OFF);
  };

  /** Learns from the conclusion, and says it. */
  const concluded = (
    path: string,
    begun: Begun,
    verdict: WriteVerdict,
    objects: number,
  ): ChangeResult | "again" => {
    const conclusion = conclusionOf(begun, verdict, objects);
    if (verdict === "in-force") limits.taken({ objects, bytes: begun.largestBytes });
    return conclusion !== "again" && conclusion.kind === "refused" ? refusal(path, conclusion) : conclusion;
  };

  const once = async (
    operation: () => ChangeOperation,
    tried: boolean,
  ): Promise<ChangeResult | "stale" | "again"> => {
    const child = await supervisor.acquire(clock.now());
    if ("kind" in child) return child;
    const release = child.hold();
    try {
      const asked = operation();
      const answer = await supervisor.whileNoneLoads(() => ask(child, asked));
      switch (answer.kind) {
        case "begun":
          return await confirm(asked.path, child, answer, tried);
        case "written":
        case "deleted":
          floors.delete(asked.path);
          return answer;
        case "refused":
          return refusal(asked.path, answer);
        case "absent":
        case "key-absent":
        case "last-key":
        case "precondition":
          return answer;
        case "protected": {
          const said = `the token is write-protected (C_CreateObject returned ${answer.ckr}); nothing was changed`;
          return unavailable("TOKEN_UNAVAILABLE", said, 60);
        }
        case "invalid":
          return unavailable(answer.code ?? "STORAGE_INVALID", answer.message, 60);
        case "stale":
          return "stale";
        default:
          // The child died or was killed, or a call failed: what it had done is completed or undone by the next one.
          return uncertain(CUT_OFF);
      }
    } finally {
      release();
    }
  };

  const change = async (path: string, asked: Change, precondition: Precondition): Promise<ChangeResult> => {
    const operation = (): ChangeOperation => ({
      type: "change",
      path,
      change: operationOf(asked),
      precondition: {
        ...(precondition.ifMatch && { ifMatch: tags(precondition.ifMatch) }),
        ...(precondition.ifNoneMatch && { ifNoneMatch: tags(precondition.ifNoneMatch) }),
      },
      layout,
      now: options.timestamp(),
      versionFloor: floors.get(path) ?? 0,
      limits: limits.current(supervisor.serving()?.view),
    });
    return inTurn(async () => {
      let tried = false;
      for (let stale = 0; stale < STALE_TRIES; ) {
        const result = await once(operation, tried);
        if (result !== "stale" && result !== "again") return result;
        if (result === "again") {
          tried = true;
          continue;
        }
        stale += 1;
        const failed = await supervisor.refreshedSince(clock.now());
        if (failed !== undefined) return failed;
      }
      return unavailable("TOKEN_UNAVAILABLE", `${path}: the token kept changing; nothing was written`, 1);
    });
  };

  const repair = async (dryRun: boolean): Promise<RepairOutcome> => {
    const child = await supervisor.acquire(clock.now());
    if ("kind" in child) return child;
    const operation = { type: "repair", dryRun } as const;
    const answer = await supervisor.whileNoneLoads(() => ask(child, operation));
    if (answer.kind === "repaired") return { kind: "repaired", results: answer.results };
    return answer.kind === "unavailable" ? answer : OUT_OF_TURN;
  };

  /** Everything but damaged names is mended in one go; a secret with one is written anew, as any write is. */
  const repairAll = async (dryRun: boolean): Promise<RepairOutcome> => {
    const outcome = await inTurn(() => repair(dryRun));
    if (outcome.kind !== "repaired" || dryRun) return outcome;
    const results: RepairResult[] = [];
    for (const item of outcome.results) {
      if (item.problem !== "damaged-name") {
        results.push(item);
        continue;
      }
      const written = await change(item.label, { type: "rewrite" }, {});
      results.push(
        written.kind === "written"
          ? { ...item, outcome: "repaired" }
          : {
              ...item,
              outcome: "failed",
              message: `not written anew: ${"message" in written ? written.message : written.kind}`,
            },
      );
    }
    return { kind: "repaired", results };
  };

  const recover = async (): Promise<void> => {
    const child = supervisor.serving();
    if (child === undefined || (child.view?.unsettled ?? 0) === 0) return;
    const answer = await supervisor.whileNoneLoads(() => ask(child, { type: "recover" }));
    if (answer.kind === "recovered" && answer.paths.length > 0) options.recovered(answer.paths);
  };

  return {
    change,
    inTurn,
    repair: repairAll,
    recover: () => void inTurn(recover),
    refresh: (since) =>
      inTurn(async () => {
        const failed = await supervisor.refreshedSince(since);
        if (failed === undefined && options.writable) await recover();
        return failed;
      }),
    get length() {
      return queue.length;
    },
  };
};
