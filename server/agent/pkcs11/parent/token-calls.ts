// SPDX-License-Identifier: Apache-2.0
// Reads and lists on their way to the child that serves: in two lanes, and made again where the token changed meanwhile.
import { type BoundedQueue, createBoundedQueue } from "../../../queue.ts";
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { Operation } from "../messages.ts";
import type { CallAnswer } from "./pending-calls.ts";
import type { Supervisor } from "./supervisor.ts";
import type { SeenAnswer } from "./token-child.ts";

/** Calls of a lane that may wait for the token; one more is refused at once. */
const CAPACITY = 1_000;
/** How often a call is made again because the token changed under it. */
const STALE_TRIES = 3;

const TOO_MANY = unavailable("TIMEOUT", "too many calls are waiting for the token", 1);

/** What could not be asked was seen by no view. */
const unseen = (answer: Unavailable): SeenAnswer => {
  return { answer, loadedSince: Number.NEGATIVE_INFINITY, live: true };
};

/** Whether the answer stands: not where it is doubtful and a live module has not been listed since the call was asked for. */
const isSettled = ({ answer, loadedSince, live }: SeenAnswer, asked: number, isDoubtful: boolean): boolean =>
  answer.kind !== "stale" && (!isDoubtful || !live || loadedSince >= asked);

/** A read or a list that was `asked` for at a time of the clock. */
export type TokenCall = { operation: Extract<Operation, { type: "read" | "list" }>; asked: number };
type Lane = BoundedQueue<TokenCall, SeenAnswer>;

export type TokenCallsOptions = {
  supervisor: Pick<Supervisor, "acquire" | "refreshedSince">;
  clock: Pick<Clock, "now">;
  /** Told whenever `length` may be another. */
  changed: () => void;
};

/** A list, which takes long on a large token, holds up no read. */
export class TokenCalls {
  readonly #options: TokenCallsOptions;
  readonly #lanes: Readonly<Record<TokenCall["operation"]["type"], Lane>>;

  constructor(options: TokenCallsOptions) {
    this.#options = options;
    const lane = (): Lane => createBoundedQueue(CAPACITY, (call) => this.#perform(call), options.changed);
    this.#lanes = { read: lane(), list: lane() };
  }

  /** How many calls wait or run. */
  get length(): number {
    return this.#lanes.read.length + this.#lanes.list.length;
  }

  /** Makes the call; on a live module, a doubtful answer has to be seen in a view that is newer than the call. */
  async ask(
    call: TokenCall,
    signal: AbortSignal,
    isDoubtful: (answer: CallAnswer) => boolean = () => false,
  ): Promise<CallAnswer> {
    const { supervisor, clock } = this.#options;
    const { operation, asked } = call;
    let since = asked;
    for (let tries = 1; ; tries += 1) {
      const seen = await (this.#lanes[operation.type].submit(call, signal) ?? unseen(TOO_MANY));
      const { answer } = seen;
      if (signal.aborted || isSettled(seen, asked, isDoubtful(answer))) return answer;
      if (tries > STALE_TRIES) return { kind: "stale" };
      if (answer.kind === "stale") since = clock.now();
      const failed = await supervisor.refreshedSince(since, true);
      if (failed !== undefined) return failed;
    }
  }

  async #perform({ operation, asked }: TokenCall): Promise<SeenAnswer> {
    const child = await this.#options.supervisor.acquire(asked);
    return "kind" in child ? unseen(child) : child.call(operation);
  }
}
