// SPDX-License-Identifier: Apache-2.0
// Caches the credentials of an exec plugin until they expire or are refused, and then runs it again.
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Parsed } from "../config/reread-file.ts";
import type { KeyPair } from "../http/http-pool.ts";
import { type Clock, wallClock } from "../time.ts";
import { RequestImpossible } from "./api-failure.ts";
import { type ExecCredential, parseExecCredential } from "./exec-credential.ts";
import type { ExecPlugin } from "./exec-plugin.ts";

/** A plugin may ask a cloud and its own log-in, one after the other. */
const TIMEOUT_MS = 60_000;

/** A certificate chain with its key is far smaller. */
const MAX_BYTES = 1024 * 1024;

export type ExecCredentialsOptions = {
  /** Milliseconds since the epoch. */
  readonly clock?: Clock;
  readonly timeoutMs?: number;
};

/** How a plugin has ended: with exit code 0, or a message that completes "the exec plugin …". */
type Ended = Parsed<undefined>;

/** Ends a process and those that it started. */
const endGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
};

/** What a program prints, up to the limit; nothing where it is more. */
const printedBy = async (stdout: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdout) {
    bytes += chunk.length;
    if (bytes <= MAX_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BYTES ? "" : Buffer.concat(chunks).toString("utf8");
};

/** Nothing of the error's text, which can cite arguments and environment. */
const whyNotStarted = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return code === "ENOENT" ? "is not found" : `can't be started (${code})`;
};

/** How a program ends, which is ended with all that it has started where it takes too long. */
const endOf = (child: ChildProcess, timeoutMs: number, signal: AbortSignal): Promise<Ended> =>
  new Promise((resolve) => {
    const settle = (ended: Ended) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      resolve(ended);
    };
    const fail = (message: string) => settle({ ok: false, message });
    const giveUp = (message: string) => {
      endGroup(child.pid);
      fail(message);
    };
    const abort = () => giveUp("was ended");
    const timer = setTimeout(() => giveUp(`did not end within ${timeoutMs / 1000} s`), timeoutMs);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    child.once("error", (error) => fail(whyNotStarted(error)));
    child.once("close", (code, killedBy) => {
      if (code === 0) settle({ ok: true, value: undefined });
      else fail(code === null ? `was ended by ${killedBy}` : `failed with exit code ${code}`);
    });
  });

/** In a group of its own, so that its end is that of all that it has started. Some of what hinders a start is thrown. */
const start = (plugin: ExecPlugin): Parsed<ChildProcessByStdio<null, Readable, null>> => {
  const { args, env } = plugin.launch();
  try {
    const value = spawn(plugin.command, args, { env, stdio: ["ignore", "pipe", "ignore"], detached: true });
    return { ok: true, value };
  } catch (error) {
    return { ok: false, message: whyNotStarted(error) };
  }
};

/** Runs the plugin. What it says beside its credentials is not passed on: nobody knows what is in it. */
const run = async (
  plugin: ExecPlugin,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Parsed<ExecCredential>> => {
  const child = start(plugin);
  if (!child.ok) return child;
  const printed = printedBy(child.value.stdout).catch(() => "");
  const ended = await endOf(child.value, timeoutMs, signal);
  return ended.ok ? parseExecCredential(await printed, plugin.apiVersion) : ended;
};

/** Settles as `promise` does, or rejects when the signal is aborted before. */
const unlessAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    const settled = () => signal.removeEventListener("abort", abort);
    promise.then(resolve, reject).finally(settled);
  });

/** The credentials of one plugin. */
export class ExecCredentials {
  readonly #plugin: ExecPlugin;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #held: ExecCredential | undefined;
  #running: Promise<ExecCredential> | undefined;

  constructor(
    plugin: ExecPlugin,
    { clock = wallClock, timeoutMs = TIMEOUT_MS }: ExecCredentialsOptions = {},
  ) {
    this.#plugin = plugin;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Those that were given last, unless they have expired or were refused. */
  get held(): ExecCredential | undefined {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#held ?? {};
    return this.#clock.now() < expiresAt ? this.#held : undefined;
  }

  /** What the next handshake shows. It may have expired by this clock: so may a token that the plugin has just given. */
  get certificate(): KeyPair | undefined {
    return this.#held?.certificate;
  }

  /**
   * Those that count; who asks while the plugin runs waits for it with the others.
   * @param signal ends the waiting, not the plugin
   * @throws RequestImpossible where the plugin gives none
   */
  async current(signal: AbortSignal): Promise<ExecCredential> {
    const { held } = this;
    if (held !== undefined) return held;
    this.#running ??= this.#renew().finally(() => {
      this.#running = undefined;
    });
    return unlessAborted(this.#running, signal);
  }

  /** The API server did not take them. */
  refuse(credential: ExecCredential): void {
    if (this.#held === credential) this.#held = undefined;
  }

  /** Ends a plugin that runs. */
  close(): void {
    this.#closing.abort();
  }

  async #renew(): Promise<ExecCredential> {
    const { command, installHint } = this.#plugin;
    const credential = await run(this.#plugin, this.#timeoutMs, this.#closing.signal);
    if (!credential.ok) {
      throw new RequestImpossible(
        `can't be asked: the exec plugin ${command} ${credential.message}${installHint ? ` (${installHint})` : ""}`,
      );
    }
    this.#held = credential.value;
    return credential.value;
  }
}
