// SPDX-License-Identifier: Apache-2.0
// Makes the logger of a request when the request has something to log: most have not, and a child logger for each costs
// more than what it would say.
import type { FastifyBaseLogger } from "fastify";
import type { Bindings, ChildLoggerOptions, Level, Logger } from "pino";

type Args = Parameters<FastifyBaseLogger["info"]>;

/** Logs by a child of `parent` with `bindings`, as parent.child(bindings, options) would. */
class RequestLogger {
  readonly #parent: Logger;
  readonly #bindings: Bindings;
  readonly #options: ChildLoggerOptions;
  #made: Logger | undefined;

  constructor(parent: Logger, bindings: Bindings, options: ChildLoggerOptions) {
    this.#parent = parent;
    this.#bindings = bindings;
    this.#options = options;
  }

  get #own(): Logger {
    this.#made ??= this.#parent.child(this.#bindings, this.#options);
    return this.#made;
  }

  #log(level: Level, args: Args): void {
    if (this.#made !== undefined || this.#parent.isLevelEnabled(level)) this.#own[level](...args);
  }

  get level(): string {
    return this.#own.level;
  }

  set level(level: string) {
    this.#own.level = level;
  }

  child(bindings: Bindings, options?: ChildLoggerOptions): FastifyBaseLogger {
    return this.#own.child(bindings, options);
  }

  fatal(...args: Args): void {
    this.#log("fatal", args);
  }

  error(...args: Args): void {
    this.#log("error", args);
  }

  warn(...args: Args): void {
    this.#log("warn", args);
  }

  info(...args: Args): void {
    this.#log("info", args);
  }

  debug(...args: Args): void {
    this.#log("debug", args);
  }

  trace(...args: Args): void {
    this.#log("trace", args);
  }

  silent(): void {}
}

/** fastify's childLoggerFactory for requests of a server that logs by `parent`. */
export const requestLoggers =
  (parent: Logger) =>
  (_logger: FastifyBaseLogger, bindings: Bindings, options: ChildLoggerOptions): FastifyBaseLogger =>
    new RequestLogger(parent, bindings, options);
