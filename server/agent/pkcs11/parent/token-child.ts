// SPDX-License-Identifier: Apache-2.0
// One PKCS#11 child process as its parent sees it: starting, calls, the watch over it, its end.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../time.ts";
import { type Unavailable, unavailable } from "../../store.ts";
import type { Answer, TokenView } from "../answers.ts";
import {
  type Configure,
  childMessage,
  isWrite,
  type LoginFlags,
  type LoginOutcome,
  type Operation,
  type ParentMessage,
  type Stage,
} from "../messages.ts";
import type { PinGuard, PinOfToken } from "./pin-guard.ts";
import { createSecretMemory, type SecretMemory } from "./secret-memory.ts";
import type { StallLimits } from "./stall-limits.ts";

export type TokenChildOptions = {
  config: Configure;
  operationTimeoutMs: number;
  clock: Clock;
  guard: PinGuard;
  limits: StallLimits;
  /** The environment of the child; PKCS#11 modules are configured by it. */
  env: NodeJS.ProcessEnv;
};

/**
 * Why a child does not serve. `gone`: there is positively no such token, or its PIN is refused, which no view of it may
 * outlive.
 */
export type StartFailed = { kind: "failed"; reason: Unavailable; gone: boolean };

/** An answer, and what it is at least as new as: `loadedSince` and `live` as they were when it came. */
export type SeenAnswer = { answer: Answer | Unavailable; loadedSince: number; live: boolean };

export type TokenChild = {
  readonly pid: number | undefined;
  /** What the child's answers are at least as new as, in the clock's milliseconds. */
  readonly loadedSince: number;
  /** The token as of the last load; undefined before the first. */
  readonly view: TokenView | undefined;
  /** What a caching module has shown; empty for others. Its values are overwritten when the child ends. */
  readonly memory: SecretMemory;
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

type Pending = {
  operation: Operation;
  resolve: (answer: Answer | Unavailable) => void;
  stopWatch: () => void;
};

/** The entry in the other room: source under type stripping, or compiled. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../child/main.ts" : "../child/main.js", import.meta.url),
);

const NEXT_STAGE: Readonly<Record<Stage, Stage>> = {
  boot: "attach",
  attach: "login",
  login: "load",
  load: "load",
};

/** Starts a child at once. */
export const startTokenChild = (options: TokenChildOptions): TokenChild => {
  const { clock, guard, limits, operationTimeoutMs } = options;
  const child: ChildProcess = fork(entry, [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: [],
    env: options.env,
  });
  const started = Promise.withResolvers<{ kind: "ready" } | StartFailed>();
  const ended = Promise.withResolvers<Unavailable>();
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let loadedSince = clock.now();
  let view: TokenView | undefined;
  const memory = createSecretMemory();
  let stage: Stage = "boot";
  let stageSince = clock.now();
  let login: PromiseWithResolvers<void> | undefined;
  let killedFor: Unavailable | undefined;
  let over = false;
  let retiring = false;
  let holds = 0;
  let gone = false;

  const seen = (answer: Answer | Unavailable): SeenAnswer => ({
    answer,
    loadedSince,
    live: view?.cache !== "cached",
  });

  const send = (message: ParentMessage): void => {
    if (child.connected) child.send(message, () => undefined);
  };

  const kill = (reason: Unavailable): void => {
    killedFor ??= reason;
    child.kill("SIGKILL");
    finish(reason);
  };

  const stuck = (): void => {
    limits.stalled(stage);
    kill(unavailable("TIMEOUT", `the token did not answer while the agent was at its ${stage} step`));
  };
  let stopStartWatch = clock.after(limits.limit(stage), stuck);

  /** Everything that ends a child comes here once: its exit, a kill, an error of fork. */
  function finish(reason: Unavailable): void {
    if (over) return;
    over = true;
    memory.wipe();
    stopStartWatch();
    loginEnded("unclear");
    for (const { resolve, stopWatch } of pending.values()) {
      stopWatch();
      resolve(reason);
    }
    pending.clear();
    started.resolve({ kind: "failed", reason, gone });
    ended.resolve(reason);
  }

  const beginLogin = (pin: PinOfToken, flags: LoginFlags): void => {
    const refusal = guard.begin(pin, flags);
    if (refusal === undefined) login = Promise.withResolvers<void>();
    send({ type: "login", ...(refusal !== undefined && { refusal }) });
  };

  /** Tells the guard, if a PIN is being tried, how that ended. */
  function loginEnded(outcome: LoginOutcome, replacedBy?: string): void {
    if (login === undefined) return;
    guard.ended(outcome, replacedBy);
    login.resolve();
    login = undefined;
  }

  const enter = (next: Stage): void => {
    stopStartWatch();
    stage = next;
    stageSince = clock.now();
    stopStartWatch = clock.after(limits.limit(stage), stuck);
  };

  const completeStage = (): void => limits.completed(stage, clock.now() - stageSince);

  const watch = (id: number): (() => void) =>
    clock.after(operationTimeoutMs, () => {
      const { operation } = pending.get(id) ?? {};
      kill(unavailable("TIMEOUT", `the token did not answer a ${operation?.type ?? "call"} in time`));
    });

  const retireIfDone = (): void => {
    if (retiring && pending.size === 0 && holds === 0) kill(RETIRED);
  };

  /** A sign of life from longer work gives that work its time again, and the reads that wait for a write. */
  const renewWatches = (): void => {
    const writing = [...pending.values()].some(({ operation }) => isWrite(operation));
    for (const [id, waiting] of pending) {
      if (waiting.operation.type === "read" && !writing) continue;
      waiting.stopWatch();
      waiting.stopWatch = watch(id);
    }
  };

  child.on("message", (message: unknown) => {
    if (over) return;
    if (!childMessage.Check(message)) {
      kill(unavailable("TOKEN_UNAVAILABLE", "the PKCS#11 child process sent what it should not"));
      return;
    }
    switch (message.type) {
      case "progress":
        if (view !== undefined) return renewWatches();
        completeStage();
        enter(NEXT_STAGE[message.stage]);
        if (message.stage === "boot") send(options.config);
        return;
      case "loginIntent":
        beginLogin(message, message.flags);
        return;
      case "loginOutcome":
        loginEnded(message.outcome, message.replacedBy);
        return;
      case "ready":
        completeStage();
        stopStartWatch();
        view = message.view;
        memory.update(message.entries);
        started.resolve({ kind: "ready" });
        return;
      case "failed": {
        gone = message.gone || message.code !== "TOKEN_UNAVAILABLE";
        const retryAfterSeconds = message.code === "TOKEN_UNAVAILABLE" ? 5 : 60;
        kill(unavailable(message.code, message.message, retryAfterSeconds));
        return;
      }
      case "answer": {
        const waiting = pending.get(message.id);
        if (waiting === undefined) return;
        pending.delete(message.id);
        waiting.stopWatch();
        if (message.answer.kind === "refreshed") view = message.answer.view;
        view = message.view ?? view;
        memory.update(message.entries ?? []);
        waiting.resolve(message.answer);
        retireIfDone();
      }
    }
  });
  child.on("error", () =>
    finish(unavailable("TOKEN_UNAVAILABLE", "the PKCS#11 child process could not be started")),
  );
  child.on("exit", (code, signal) =>
    finish(
      killedFor ??
        unavailable(
          "TOKEN_UNAVAILABLE",
          `the PKCS#11 child process ended (${signal ?? `code ${code}`}); the module may have crashed`,
          1,
        ),
    ),
  );

  return {
    get pid() {
      return child.pid;
    },
    get loadedSince() {
      return loadedSince;
    },
    get view() {
      return view;
    },
    memory,
    started: started.promise,
    settledLogin: () => login?.promise ?? Promise.resolve(),
    ended: ended.promise,
    kill,
    retire: () => {
      retiring = true;
      retireIfDone();
    },
    hold: () => {
      holds += 1;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        holds -= 1;
        retireIfDone();
      };
    },
    call: async (operation) => {
      if (over) return seen(await ended.promise);
      const id = nextId;
      nextId += 1;
      const asked = clock.now();
      const { promise, resolve } = Promise.withResolvers<SeenAnswer>();
      pending.set(id, {
        operation,
        stopWatch: watch(id),
        resolve: (answer) => {
          if (answer.kind === "refreshed") loadedSince = asked;
          resolve(seen(answer)); // now: before the caller's turn comes, the next view may have
        },
      });
      send({ type: "call", id, operation });
      return promise;
    },
  };
};
