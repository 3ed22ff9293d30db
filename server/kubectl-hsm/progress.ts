// SPDX-License-Identifier: Apache-2.0
// Shows the progress of a long command: a bar on a terminal, else a line now and then.
import { type Io, oneLine } from "./io.ts";

export type Progress = {
  /** `done` of the total are over; `what` is the one that was last. */
  advance(done: number, what: string): void;
  /** Takes the bar away. */
  end(): void;
};

const BAR = 24;
/** Without a terminal: one line for each tenth. */
const STEPS = 10;

export const startProgress = (io: Io, total: number, verb: string): Progress => {
  const { stderr } = io;
  const onTerminal = stderr.isTTY === true;
  let step = 0;
  return {
    advance(done, what) {
      if (onTerminal) {
        const filled = Math.round((done / Math.max(1, total)) * BAR);
        const bar = `[${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${done}/${total} `;
        const room = Math.max(0, (stderr.columns || 80) - bar.length - 1);
        stderr.write(`\r\u001b[K${bar}${oneLine(what).slice(0, room)}`);
        return;
      }
      const reached = Math.floor((done / Math.max(1, total)) * STEPS);
      if (reached === step) return;
      step = reached;
      stderr.write(`${verb} ${done} of ${total}\n`);
    },
    end() {
      if (onTerminal) stderr.write("\r\u001b[K");
    },
  };
};
