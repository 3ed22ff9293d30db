// SPDX-License-Identifier: Apache-2.0
// Makes changes of the token through the agent's child processes: one after another, each confirmed, and recovered where it was cut.
import type { Layout, RepairResult } from "../../../agent-api/schema.ts";
import type { Clock } from "../../../time.ts";
import type { Origin } from "../../storage/stamp.ts";
import {
  type Change,
  type ChangeResult,
  type PathChange,
  type Precondition,
  type RepairOutcome,
  type Unavailable,
  unavailable,
} from "../../store.ts";
import type { Answer } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";
import { changeOperation } from "./change-operation.ts";
import { ChangeTurns } from "./change-turns.ts";
import { type CallAnswer, OUT_OF_TURN } from "./child-watch.ts";
import type { Supervisor } from "./supervisor.ts";
import { CUT_OFF, uncertain, WriteConfirmation } from "./write-confirmation.ts";
import { WriteLessons, type WriteLimits } from "./write-limits.ts";

/** Mends all but damaged names, or only names what is wrong; `since`: when it was asked for. */
const repairThrough = async (
  supervisor: Pick<Supervisor, "acquire" | "whileNoneLoads">,
  since: number,
  dryRun: boolean,
): Promise<RepairOutcome> => {
  const child = await supervisor.acquire(since);
  if ("kind" in child) return child;
  const { answer } = await supervisor.whileNoneLoads(() => child.call({ type: "repair", dryRun }));
  if (answer.kind === "repaired") return { kind: "repaired", results: answer.results };
  return answer.kind === "unavailable" ? answer : OUT_OF_TURN;
};

/** What has become of each: those with damaged names have `rewrite` write their secrets anew, as any write does. */
export const rewriteDamaged = async (
  found: readonly RepairResult[],
  rewrite: (path: string) => Promise<ChangeResult>,
): Promise<RepairResult[]> => {
  const results: RepairResult[] = [];
  for (const item of found) {
    results.push(item.problem === "damaged-name" ? rewritten(item, await rewrite(item.label)) : item);
  }
  return results;
};

const rewritten = (item: RepairResult, result: ChangeResult): RepairResult => {
  if (result.kind === "written") return { ...item, outcome: "repaired" };
  const why = "message" in result ? result.message : result.kind;
  return { ...item, outcome: "failed", message: `not written anew: ${why}` };
};

type TokenChangesOptions = {
  supervisor: Pick<Supervisor, "acquire" | "serving" | "refreshedSince" | "whileNoneLoads">;
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

/** How often a change starts over because the token changed under it. */
const STALE_TRIES = 3;

/** A change that is to be tried again: as the view was out of date, or as the token did not take it the first time. */
type Retry = "stale" | "again";

const writeProtected = ({ ckr }: Extract<Answer, { kind: "protected" }>): Unavailable =>
  unavailable(
    "TOKEN_UNAVAILABLE",
    `the token is write-protected (C_CreateObject returned ${ckr}); nothing was changed`,
    60,
  );

/** Changes through the children of one supervisor. */
export class TokenChanges {
  readonly #options: TokenChangesOptions;
  readonly #turns: ChangeTurns;
  readonly #lessons: WriteLessons;
  readonly #confirmation: WriteConfirmation;

  constructor(options: TokenChangesOptions) {
    const { supervisor, clock, limits, waitMs, changed } = options;
    this.#options = options;
    this.#turns = new ChangeTurns({ clock, waitMs, changed });
    this.#lessons = new WriteLessons(limits);
    this.#confirmation = new WriteConfirmation({ supervisor, clock, lessons: this.#lessons });
  }

  /** Waiting or running. */
  get length(): number {
    return this.#turns.length;
  }

  /** Any other operation that must not run beside a change, and when those before it have ended. */
  inTurn<T>(work: () => Promise<T>): Promise<T | Unavailable> {
    return this.#turns.take(work);
  }

  change(path: string, change: Change, precondition: Precondition, origin?: Origin): Promise<ChangeResult> {
    const operation = this.#operation(path, changeOperation(path, change, precondition, origin));
    return this.inTurn(() => this.#untilSettled(path, operation));
  }

  /**
   * Changes of different paths: where the module shows what is there, in one call to the child; else, and where a path changed
   * meanwhile, one after another.
   */
  async changeAll(changes: readonly PathChange[]): Promise<ChangeResult[]> {
    const operations = changes.map(({ path, change, precondition }) => {
      const asked = changeOperation(path, change, precondition, undefined);
      return { path, operation: this.#operation(path, asked) };
    });
    const batch = await this.inTurn(() => this.#batch(operations.map(({ operation }) => operation)));
    if ("kind" in batch) return operations.map(() => batch);
    const results: ChangeResult[] = [];
    let gone: Unavailable | undefined;
    for (const [at, { path, operation }] of operations.entries()) {
      let result = batch[at] ?? "stale";
      if (result === "stale") {
        result = gone ?? (await this.inTurn(() => this.#untilSettled(path, operation)));
        if (result.kind === "unavailable") gone ??= this.#goneFor(result);
      }
      results.push(result);
    }
    return results;
  }

  /** What changes are answered after one that ended so, where no child serves: each could take as long as a start of one. */
  #goneFor({ code, message, retryAfterSeconds }: Unavailable): Unavailable | undefined {
    return this.#options.supervisor.serving() === undefined
      ? unavailable(code, `not tried: ${message}`, retryAfterSeconds)
      : undefined;
  }

  /** Mends what is wrong on the token, or only names it. */
  async repair(dryRun: boolean): Promise<RepairOutcome> {
    const { supervisor, clock } = this.#options;
    const outcome = await this.inTurn(() => repairThrough(supervisor, clock.now(), dryRun));
    if (outcome.kind !== "repaired" || dryRun) return outcome;
    const rewrite = (path: string): Promise<ChangeResult> => this.change(path, { type: "rewrite" }, {});
    return { kind: "repaired", results: await rewriteDamaged(outcome.results, rewrite) };
  }

  /** Completes or undoes what cut writes have left, once those before it have ended. */
  recover(): void {
    void this.inTurn(() => this.#recover());
  }

  /** Loads a view as new as `since`, and settles what that shows of cut writes. */
  refresh(since: number): Promise<Unavailable | undefined> {
    return this.inTurn(async () => {
      const failed = await this.#options.supervisor.refreshedSince(since);
      if (failed === undefined && this.#options.writable) await this.#recover();
      return failed;
    });
  }

  /** The operation as it is when its turn comes. */
  #operation(path: string, asked: ReturnType<typeof changeOperation>): () => ChangeOperation {
    const { layout, timestamp, supervisor } = this.#options;
    return () => ({
      ...asked,
      layout,
      now: timestamp(),
      ...this.#lessons.forNext(path, supervisor.serving()?.view),
    });
  }

  /** What became of each; `stale` is still to be done. */
  async #batch(
    operations: readonly (() => ChangeOperation)[],
  ): Promise<(ChangeResult | "stale")[] | Unavailable> {
    const { supervisor, clock } = this.#options;
    const child = await supervisor.acquire(clock.now());
    if ("kind" in child) return child;
    if (child.view?.cache !== "live") return [];
    const release = child.hold();
    try {
      const changes = operations.map((operation) => operation());
      const { answer } = await supervisor.whileNoneLoads(() => child.call({ type: "batch", changes }));
      if (answer.kind !== "batch") return changes.map(() => uncertain(CUT_OFF));
      return changes.map(({ path }, at) => {
        const one = answer.answers[at];
        return one === undefined ? uncertain(CUT_OFF) : this.#resultOf(path, one);
      });
    } finally {
      release();
    }
  }

  async #untilSettled(path: string, operation: () => ChangeOperation): Promise<ChangeResult> {
    const { supervisor, clock } = this.#options;
    let tried = false;
    for (let stale = 0; stale < STALE_TRIES; ) {
      const result = await this.#once(operation, tried);
      if (result === "again") {
        tried = true;
        continue;
      }
      if (result !== "stale") return result;
      stale += 1;
      const failed = await supervisor.refreshedSince(clock.now());
      if (failed !== undefined) return failed;
    }
    return unavailable("TOKEN_UNAVAILABLE", `${path}: the token kept changing; nothing was written`, 1);
  }

  async #once(operation: () => ChangeOperation, tried: boolean): Promise<ChangeResult | Retry> {
    const { supervisor, clock } = this.#options;
    const child = await supervisor.acquire(clock.now());
    if ("kind" in child) return child;
    const release = child.hold();
    try {
      const asked = operation();
      const { answer } = await supervisor.whileNoneLoads(() => child.call(asked));
      if (answer.kind !== "begun") return this.#resultOf(asked.path, answer);
      return await this.#confirmation.confirm({ path: asked.path, writer: child, begun: answer, tried });
    } finally {
      release();
    }
  }

  #resultOf(path: string, answer: CallAnswer): ChangeResult | "stale" {
    switch (answer.kind) {
      case "written":
      case "deleted":
        this.#lessons.completed(path);
        return answer;
      case "refused":
        return this.#lessons.refused(path, answer);
      case "absent":
      case "key-absent":
      case "last-key":
      case "precondition":
        return answer;
      case "protected":
        return writeProtected(answer);
      case "invalid":
        return unavailable(answer.code ?? "STORAGE_INVALID", answer.message, 60);
      case "stale":
        return "stale";
      default:
        // The child died or was killed, or a call failed: what it had done is completed or undone by the next one.
        return uncertain(CUT_OFF);
    }
  }

  async #recover(): Promise<void> {
    const { supervisor, recovered } = this.#options;
    const child = supervisor.serving();
    if (child === undefined || (child.view?.unsettled ?? 0) === 0) return;
    const { answer } = await supervisor.whileNoneLoads(() => child.call({ type: "recover" }));
    if (answer.kind === "recovered" && answer.paths.length > 0) recovered(answer.paths);
  }
}
