// SPDX-License-Identifier: Apache-2.0
// Starts the process of a PKCS#11 child, which waits for its configuration, and keeps what it says until somebody listens.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What is heard of a process: its messages, that it could not be started, its end. */
export type ChildProcessEvents = {
  message(message: unknown): void;
  notStarted(): void;
  exited(code: number | null, signal: string | null): void;
};

/** The child's entry: its source under type stripping, or its bundle, as seen from one of the agent's. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../child/main.ts" : "../roles/pkcs11-child.js", import.meta.url),
);

/** One process. It ends by itself once this one has. */
export class StartedProcess {
  readonly #process: ChildProcess;
  #events: ChildProcessEvents | undefined;
  readonly #unheard: ((events: ChildProcessEvents) => void)[] = [];

  /** `env`: PKCS#11 modules are configured by it. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#process = fork(entry, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [],
      env,
    });
    this.#process.on("message", (message: unknown) => this.#tell((events) => events.message(message)));
    this.#process.on("error", () => this.#tell((events) => events.notStarted()));
    this.#process.on("exit", (code, signal) => this.#tell((events) => events.exited(code, signal)));
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Tells `events` all that is heard, from the start on. For one listener. */
  listen(events: ChildProcessEvents): void {
    this.#events = events;
    for (const tell of this.#unheard.splice(0)) tell(events);
  }

  /** A message to a process that is gone is lost. */
  send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Ends the process at once. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #tell(tell: (events: ChildProcessEvents) => void): void {
    if (this.#events === undefined) this.#unheard.push(tell);
    else tell(this.#events);
  }
}
