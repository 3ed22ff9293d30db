// SPDX-License-Identifier: Apache-2.0
// Wraps one PKCS#11 child process for its parent: start, calls, watchdog, end.
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { TokenView } from "../answers.ts";
import {
  type ChildMessage,
  type Configure,
  childMessage,
  type Operation,
  type ParentMessage,
} from "../messages.ts";
import { LoginTry, type PinGuard } from "../pin-guard.ts";
import type { StartedProcess } from "./child-process.ts";
import { type CallAnswer, childFaultOf, PendingCalls, type StallLimits, StartWatch } from "./child-watch.ts";
import { createSecretCache, type SecretCache } from "./secret-cache.ts";

export type TokenChildOptions = {
  config: Configure;
  operationTimeoutMs: number;
  clock: Clock;
  guard: PinGuard;
  limits: StallLimits;
  /** Runs the child, which has not been told its configuration. */
  process: StartedProcess;
  /** A blank token was set up. */
  provisioned?: () => void;
};

/**
 * Why a child does not serve. `gone`: there is positively no such token, or its PIN is refused, which no view of it may
 * outlive.
 */
export type StartFailed = { kind: "failed"; reason: Unavailable; gone: boolean };

/** An answer, and what it is at least as new as: `loadedSince` and `live` as they were when it came. */
export type SeenAnswer = { answer: CallAnswer; loadedSince: number; live: boolean };

export type TokenChild = {
  readonly pid: number | undefined;
  /** What the child's answers are at least as new as, in the clock's milliseconds. */
  readonly loadedSince: number;
  /** The token as of the last load; undefined before the first. */
  readonly view: TokenView | undefined;
  /** What a caching module has shown; empty for others. Its values are overwritten when the child ends. */
  readonly secrets: SecretCache;
  /** Resolves when the child serves, or with the reason why it can't. */
  readonly started: Promise<{ kind: "ready" } | StartFailed>;
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<Unavailable>;
  /** One call. Reads run between the slices of a refresh or a list; otherwise calls are to be made one at a time. */
  call(operation: Operation): Promise<SeenAnswer>;
  /** Resolves at once, or when the token has answered whether it takes the PIN: who ends the process before may cost a try. */
  settledLogin(): Promise<void>;
  /** Kills the process now. What is under way is answered with `reason`. */
  kill(reason: Unavailable): void;
  /** Ends the process once what is under way is answered and nobody holds it. */
  retire(): void;
  /** Keeps the process from being retired until the result is called. */
  hold(): () => void;
};

const RETIRED = unavailable("TOKEN_UNAVAILABLE", "the PKCS#11 child process was replaced", 1);

type Received<Type extends ChildMessage["type"]> = Extract<ChildMessage, { type: Type }>;

const died = (code: number | null, signal: string | null): Unavailable =>
  unavailable(
    "TOKEN_UNAVAILABLE",
    `the PKCS#11 child process ended (${signal ?? `code ${code}`}); the module may have crashed`,
    1,
  );

class ProcessChild implements TokenChild {
  readonly secrets = createSecretCache();
  readonly #options: TokenChildOptions;
  readonly #process: StartedProcess;
  readonly #started = Promise.withResolvers<{ kind: "ready" } | StartFailed>();
  readonly #ended = Promise.withResolvers<Unavailable>();
  readonly #login: LoginTry;
  readonly #startWatch: StartWatch;
  readonly #pending: PendingCalls;
  #loadedSince: number;
  #view: TokenView | undefined;
  #killedFor: Unavailable | undefined;
  #isOver = false;
  #isGone = false;
  #isRetiring = false;
  #holds = 0;

  constructor(options: TokenChildOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#process = options.process;
    this.#loadedSince = clock.now();
    this.#login = new LoginTry(options.guard);
    this.#startWatch = new StartWatch({
      clock,
      limits,
      stuck: (stage) =>
        this.kill(
          unavailable("TIMEOUT", `the token did not answer while the agent was at its ${stage} step`),
        ),
    });
    this.#pending = new PendingCalls({
      clock,
      timeoutMs: options.operationTimeoutMs,
      late: ({ type }) => this.kill(unavailable("TIMEOUT", `the token did not answer a ${type} in time`)),
    });
    this.#process.listen({
      message: (message) => this.#received(message),
      notStarted: () =>
        this.#finish(unavailable("TOKEN_UNAVAILABLE", "the PKCS#11 child process could not be started")),
      exited: (code, signal) => this.#finish(this.#killedFor ?? died(code, signal)),
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get loadedSince(): number {
    return this.#loadedSince;
  }

  get view(): TokenView | undefined {
    return this.#view;
  }

  get started(): Promise<{ kind: "ready" } | StartFailed> {
    return this.#started.promise;
  }

  get ended(): Promise<Unavailable> {
    return this.#ended.promise;
  }

  async call(operation: Operation): Promise<SeenAnswer> {
    if (this.#isOver) return this.#seen(await this.#ended.promise);
    const asked = this.#options.clock.now();
    const { promise, resolve } = Promise.withResolvers<SeenAnswer>();
    const id = this.#pending.add({
      operation,
      resolve: (answer) => {
        if (answer.kind === "refreshed") this.#loadedSince = asked;
        resolve(this.#seen(answer)); // now: before the caller's turn comes, the next view may have
      },
    });
    this.#send({ type: "call", id, operation });
    return promise;
  }

  settledLogin(): Promise<void> {
    return this.#login.settled();
  }

  kill(reason: Unavailable): void {
    this.#killedFor ??= reason;
    this.#process.kill();
    this.#finish(reason);
  }

  retire(): void {
    this.#isRetiring = true;
    this.#retireIfDone();
  }

  hold(): () => void {
    this.#holds += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      this.#retireIfDone();
    };
  }

  #retireIfDone(): void {
    if (this.#isRetiring && this.#pending.size === 0 && this.#holds === 0) this.kill(RETIRED);
  }

  #send(message: ParentMessage): void {
    this.#process.send(message);
  }

  #seen(answer: CallAnswer): SeenAnswer {
    return { answer, loadedSince: this.#loadedSince, live: this.#view?.cache !== "cached" };
  }

  /** Everything that ends a child comes here once: its exit, a kill, an error of fork. */
  #finish(reason: Unavailable): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.secrets.wipe();
    this.#startWatch.stop();
    this.#login.end("unclear");
    this.#pending.end(reason);
    this.#started.resolve({ kind: "failed", reason, gone: this.#isGone });
    this.#ended.resolve(reason);
  }

  #received(message: unknown): void {
    if (this.#isOver) return;
    if (!childMessage.Check(message)) {
      this.kill(unavailable("TOKEN_UNAVAILABLE", "the PKCS#11 child process sent what it should not"));
      return;
    }
    switch (message.type) {
      case "progress":
        this.#progressed(message);
        break;
      case "provisioning":
        this.#startWatch.provisioning();
        break;
      case "provisioned":
        this.#startWatch.passed("provision");
        this.#options.provisioned?.();
        break;
      case "loginIntent": {
        const refusal = this.#login.begin(message, message.flags);
        this.#send({ type: "login", ...(refusal !== undefined && { refusal }) });
        break;
      }
      case "loginOutcome":
        this.#login.end(message.outcome, message.replacedBy);
        break;
      case "ready":
        this.#ready(message);
        break;
      case "failed":
        this.#failed(message);
        break;
      case "answer":
        this.#answered(message);
    }
  }

  #progressed({ stage }: Received<"progress">): void {
    if (this.#view !== undefined) {
      this.#pending.renew();
      return;
    }
    this.#startWatch.passed(stage);
    if (stage === "boot") this.#send(this.#options.config);
  }

  #ready({ view, entries }: Received<"ready">): void {
    this.#startWatch.ready();
    this.#view = view;
    this.secrets.update(entries);
    this.#started.resolve({ kind: "ready" });
  }

  #failed({ code, message, gone }: Received<"failed">): void {
    this.#isGone = gone || code !== "TOKEN_UNAVAILABLE";
    this.kill(unavailable(code, message, code === "TOKEN_UNAVAILABLE" ? 5 : 60));
  }

  #answered({ id, answer, view, entries = [] }: Received<"answer">): void {
    const call = this.#pending.take(id);
    if (call === undefined) return;
    if (answer.kind === "fault") {
      const { reason, told } = childFaultOf(call.operation, answer);
      call.resolve(told);
      this.kill(reason);
      return;
    }
    if (answer.kind === "refreshed") this.#view = answer.view;
    this.#view = view ?? this.#view;
    this.secrets.update(entries);
    call.resolve(answer);
    this.#retireIfDone();
  }
}

/** Starts a child in its process. */
export const startTokenChild = (options: TokenChildOptions): TokenChild => new ProcessChild(options);
