// SPDX-License-Identifier: Apache-2.0
// Provides a real logger whose lines a test can read and wait for.
import { EventEmitter, once } from "node:events";
import type { Logger } from "pino";
import type { LogLevel } from "../../server/config/listener.ts";
import { createLogger } from "../../server/log.ts";

type LogLine = Record<string, unknown>;

export type RecordedLog = {
  logger: Logger;
  lines: LogLine[];
  /** Everything that was written. */
  text(): string;
  /** The first line that fits, now or later. */
  waitFor(fits: (line: LogLine) => boolean): Promise<LogLine>;
};

export const recordedLog = (level: LogLevel = "debug"): RecordedLog => {
  const lines: LogLine[] = [];
  const raw: string[] = [];
  const written = new EventEmitter();
  const logger = createLogger(
    { level, role: "test" },
    {
      write(text: string) {
        raw.push(text);
        lines.push(JSON.parse(text));
        written.emit("line");
      },
    },
  );
  return {
    logger,
    lines,
    text: () => raw.join(""),
    async waitFor(fits) {
      for (;;) {
        // All of them each time: several may come before this goes on.
        const found = lines.find(fits);
        if (found) return found;
        await once(written, "line");
      }
    },
  };
};
