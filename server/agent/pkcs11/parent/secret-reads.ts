// SPDX-License-Identifier: Apache-2.0
// Reads one secret: from the cache where the module caches too, or through the serving child, fresh or not.
import type { Clock } from "../../../time.ts";
import { type ReadResult, type Unavailable, unavailable } from "../../store.ts";
import type { TokenView } from "../answers.ts";
import { createFreshDebts } from "./fresh-debts.ts";
import { createJoinedCalls } from "./joined-calls.ts";
import { restless, tookTooLong } from "./no-answer.ts";
import { type CallAnswer, OUT_OF_TURN } from "./pending-calls.ts";
import type { Supervisor } from "./supervisor.ts";
import type { TokenCalls } from "./token-calls.ts";
import { mayHide } from "./write-confirmation.ts";

/** What was asked for at a time of the clock. */
type AskedRead = { path: string; asked: number };

/** What reads and lists are made through. */
export type SecretReadsOptions = {
  supervisor: Pick<Supervisor, "acquire" | "refreshedSince" | "serving" | "lastLoadMs">;
  calls: Pick<TokenCalls, "ask">;
  clock: Clock;
  /** How long a caller waits. */
  timeoutMs: number;
};

const hidden = ({ shown }: TokenView): Unavailable =>
  unavailable(
    "TOKEN_UNAVAILABLE",
    `the token has ${shown?.objects} objects or more, and its module shows no more: what is not shown can't be told from what is absent. Delete keys, certificates or secrets`,
    60,
  );

const resultOf = (path: string, answer: CallAnswer): ReadResult => {
  switch (answer.kind) {
    case "found": {
      const { keys, ...rest } = answer;
      return { ...rest, data: new Map(keys) };
    }
    case "absent":
    case "unavailable":
      return answer;
    case "invalid":
      return unavailable(answer.code ?? "STORAGE_INVALID", answer.message, 60);
    case "stale":
      return restless(path);
    default:
      return OUT_OF_TURN;
  }
};

/** Whether the read may have missed an object that was made or replaced meanwhile. */
const isDoubtful = ({ kind }: CallAnswer): boolean => kind === "absent" || kind === "invalid";

export class SecretReads {
  readonly #options: SecretReadsOptions;
  readonly #join;
  readonly #debts = createFreshDebts();

  constructor(options: SecretReadsOptions) {
    this.#options = options;
    this.#join = createJoinedCalls<ReadResult>(options.clock);
  }

  /** What the path holds. `fresh` asks for a view of the token that was loaded after the call. */
  async read(read: AskedRead, fresh: boolean, signal: AbortSignal | undefined): Promise<ReadResult> {
    const { supervisor, clock, timeoutMs } = this.#options;
    const result = await this.#join({
      key: fresh ? undefined : read.path,
      start: (abandoned) => (fresh ? this.#readFresh(read, abandoned) : this.#readNow(read, abandoned)),
      deadlineMs: timeoutMs,
      late: () => tookTooLong(supervisor.lastLoadMs()),
      signal,
    });
    if (fresh && result.kind === "unavailable" && result.code === "TIMEOUT") {
      const until = clock.now() + result.retryAfterSeconds * 1000 + 2 * timeoutMs;
      this.#debts.owe(read.path, read.asked, until);
    }
    return result;
  }

  async #readFresh(read: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const { supervisor } = this.#options;
    const isCached = supervisor.serving()?.view?.cache === "cached";
    const since = isCached ? this.#debts.since(read.path, read.asked) : read.asked;
    const failed = await supervisor.refreshedSince(since);
    if (failed !== undefined) return failed;
    const result = await this.#readNow(read, signal);
    if (!signal.aborted) this.#debts.paid(read.path);
    return result;
  }

  /** From memory where the module caches: the token is not touched, and nothing that loads or writes is waited for. */
  async #readNow(read: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const child = await this.#options.supervisor.acquire(read.asked);
    if ("kind" in child) return child;
    if (child.view?.cache !== "cached") return this.#readThrough(read, signal);
    const result = child.memory.read(read.path);
    return result.kind === "absent" && mayHide(child.view) ? hidden(child.view) : result;
  }

  async #readThrough({ path, asked }: AskedRead, signal: AbortSignal): Promise<ReadResult> {
    const call = { operation: { type: "read", path }, asked } as const;
    return resultOf(path, await this.#options.calls.ask(call, signal, isDoubtful));
  }
}
