// SPDX-License-Identifier: Apache-2.0
// Runs the agent of one node on a token that stays as it is when the process ends and another one comes.
import { mkdirSync } from "node:fs";
import type { Dispatcher } from "undici";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { makeToken, type TestToken } from "../../local/softhsm-token.ts";

const AGENT_PORT = 8444;

export class NodeAgent {
  readonly #folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #http: Dispatcher;
  #token: TestToken | undefined;
  #process: ServerProcess | undefined;
  /** Whether another process may be started. */
  #isKilled = false;

  constructor(folder: string, settings: Readonly<Record<string, string>>, http: Dispatcher) {
    this.#folder = folder;
    this.#settings = settings;
    this.#http = http;
  }

  /** Whether the process runs. */
  get isThere(): boolean {
    return this.#process !== undefined;
  }

  /** Of the process that runs, or of the one that comes next. */
  get url(): string {
    return this.#process?.url ?? "https://127.0.0.1:1";
  }

  /** Starts the process where it does not run and may; true: it was started. */
  async run(name: string, node: string, host: string): Promise<boolean> {
    if (this.#process !== undefined || this.#isKilled) return false;
    if (this.#token === undefined) {
      mkdirSync(this.#folder);
      this.#token = await makeToken(this.#folder);
      this.#token.close();
    }
    const { env, module, label, pinFile } = this.#token;
    const settings = {
      ...env,
      ...this.#settings,
      LISTEN_HOST: host,
      LISTEN_PORT: String(AGENT_PORT),
      DEVICE_NAME: name,
      NODE_NAME: node,
      PKCS11_MODULE: module,
      PKCS11_TOKEN_LABEL: label,
      PKCS11_PIN_FILE: pinFile,
      LOG_LEVEL: "error",
    };
    this.#process = await startServerProcess("agent", settings, this.#http);
    return true;
  }

  /** Ends the process at once; none is started before `revive`. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    const process = this.#process;
    this.#process = undefined;
    await process?.stop("SIGKILL");
  }

  /** Has it answer nothing more, and keeps its connections open: as where packets are dropped. */
  stop(): void {
    this.#process?.signal("SIGSTOP");
  }

  /** Lets a process that was stopped go on. */
  goOn(): void {
    this.#process?.signal("SIGCONT");
  }

  revive(): void {
    this.#isKilled = false;
  }
}
