// SPDX-License-Identifier: Apache-2.0
// Creates the logger of a process: JSON lines on stdout, with credentials redacted.
import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import type { LogLevel } from "./config/listener.ts";

/** Where credentials could stand in an object that is logged. */
const CREDENTIALS = ["headers.authorization", "*.headers.authorization", "authorization", "*.authorization"];

/**
 * A thrown error without what could quote input: the parsers' SyntaxError cites the text that it failed on, and other
 * libraries hang requests and bodies on their errors.
 */
export const describeError = (error: unknown): Record<string, unknown> => {
  if (!(error instanceof Error)) return { type: typeof error };
  const frames = error.stack?.split("\n").filter((line) => line.startsWith("    at "));
  return {
    type: error.name,
    ...("code" in error && typeof error.code === "string" && { code: error.code }),
    ...(!(error instanceof SyntaxError) && { message: error.message }),
    stack: frames?.join("\n") ?? "",
  };
};

/**
 * Standard output, on which pipes and files are written synchronously. Not pino's own writer: once the reader of a pipe
 * is gone, that one can wait for ever, and a process whose log nobody reads must still drain and end.
 */
const standardOutput = (): DestinationStream => {
  process.stdout.on("error", () => {});
  return { write: (line) => process.stdout.write(line) };
};

/** The logger of one role. `destination` is stdout unless a test gives another. */
export const createLogger = (
  options: { level: LogLevel; role: string },
  destination?: DestinationStream,
): Logger => {
  const settings: LoggerOptions = {
    level: options.level,
    base: { role: options.role, pid: process.pid },
    redact: { paths: CREDENTIALS, censor: "[redacted]" },
    serializers: { err: describeError, error: describeError },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  };
  return pino(settings, destination ?? standardOutput());
};
