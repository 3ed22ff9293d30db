// SPDX-License-Identifier: Apache-2.0
// Keeps matrix-js-sdk from writing to the test's output, and from keeping the process alive after its clients have stopped.
import { createRequire } from "node:module";

type ClientLogger = { methodFactory: () => () => void; rebuild(): void };
type ClientLoggers = ClientLogger & { getLoggers(): Record<string, ClientLogger> };

/**
 * Silences what it prints past the logger that a client is given. Its parts log through loglevel, which is looked up from
 * its place so that it is the very copy that it uses.
 */
const silence = (): void => {
  const loglevel: ClientLoggers = createRequire(import.meta.resolve("matrix-js-sdk"))("loglevel");
  for (const logger of [loglevel, ...Object.values(loglevel.getLoggers())]) {
    logger.methodFactory = () => () => {};
    logger.rebuild();
  }
};

/** A shorter timer is part of what it does. */
const FORGOTTEN_MS = 10_000;

/**
 * The client sets a timer for each request (110 s for a sync) and for each message that it can't read (300 s), and leaves
 * it when the request is done or the client stopped. They alone are let go of: timers of anybody else stay as they are.
 */
const letGoOfForgottenTimers = (): void => {
  globalThis.setTimeout = new Proxy(globalThis.setTimeout, {
    apply: (target, self, args: Parameters<typeof setTimeout>) => {
      const timer: NodeJS.Timeout = Reflect.apply(target, self, args);
      const caller = (args[1] ?? 0) >= FORGOTTEN_MS ? new Error().stack?.split("\n")[2] : undefined;
      if (caller?.includes("/node_modules/matrix-js-sdk/")) timer.unref();
      return timer;
    },
  });
};

let done = false;

/** To be called before a client is made. */
export const quietClient = (): void => {
  if (done) return;
  done = true;
  silence();
  letGoOfForgottenTimers();
};
