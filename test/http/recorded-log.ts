// SPDX-License-Identifier: Apache-2.0
// Provides a real logger whose lines a test can read and wait for.
import type { Logger } from "pino";
import { createNotifier } from "../../scripts/local/notifier.ts";
import type { LogLevel } from "../../server/config/listener.ts";
import { createLogger } from "../../server/log.ts";

type LogLine = Record<string, unknown>;

export type RecordedLog = {
  logger: Logger;
  lines: LogLine[];
  /** Everything that was written. */
  text(): string;
  /** The first line that fits, now or later. @throws Error with the last lines where none comes */
  waitFor(fits: (line: LogLine) => boolean): Promise<LogLine>;
};

export const recordedLog = (level: LogLevel = "debug"): RecordedLog => {
  const lines: LogLine[] = [];
  const raw: string[] = [];
  const notifier = createNotifier();
  const logger = createLogger(
    { level, role: "test" },
    {
      write(text: string) {
        raw.push(text);
        lines.push(JSON.parse(text));
        notifier.notify();
      },
    },
  );
  return {
    logger,
    lines,
    text: () => raw.join(""),
    waitFor: (fits) =>
      notifier.until("a line of the log that fits", () => lines.find(fits), {
        seen: () => raw.slice(-9).join(""),
      }),
  };
};
