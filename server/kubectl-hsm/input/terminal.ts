// SPDX-License-Identifier: Apache-2.0
// Prompts the user on the terminal, also without echo. It opens the terminal even where standard input is a pipe.
import { openSync } from "node:fs";
import { ReadStream } from "node:tty";
import { CommandFailed } from "../exit-codes.ts";
import { type Io, oneLine } from "../io.ts";

export type Terminal = {
  /** One line, shown while it is typed. */
  ask(question: string): Promise<string>;
  /** One line of which nothing is shown. */
  askHidden(question: string): Promise<Buffer>;
  close(): void;
};

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const BACKSPACE = [0x08, 0x7f];
const LINE_END = [0x0a, 0x0d];

/** Longer than anything that is typed or pasted in one line. */
const MAX_BYTES = 1024 * 1024;

/** Undefined where there is no terminal to ask at. */
export const openTerminal = (io: Io): Terminal | undefined => {
  if (io.stdin instanceof ReadStream) {
    return terminalOn(
      io.stdin,
      (text) => io.stderr.write(text),
      () => {},
    );
  }
  try {
    const fd = openSync("/dev/tty", "r+");
    const stream = new ReadStream(fd);
    return terminalOn(
      stream,
      (text) => io.stderr.write(text),
      () => stream.destroy(),
    );
  } catch {
    return undefined;
  }
};

const terminalOn = (stream: ReadStream, show: (text: string) => void, release: () => void): Terminal => {
  /** What was typed or pasted ahead, for the next question. */
  let ahead: number[] = [];
  const line = (question: string, echo: boolean): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      // Before the question, so that what is typed at once is not shown by the terminal either.
      stream.setRawMode(true);
      show(oneLine(question));
      const typed: number[] = [];
      const end = (result: Buffer | CommandFailed) => {
        stream.off("data", onData);
        stream.off("end", onEnd);
        stream.setRawMode(false);
        stream.pause();
        show("\n");
        if (result instanceof CommandFailed) reject(result);
        else resolve(result);
      };
      const onEnd = () =>
        end(new CommandFailed("usage", "the terminal was closed in the middle of a question"));
      const onData = (chunk: Buffer) => {
        const bytes = [...ahead, ...chunk];
        ahead = [];
        for (const [index, byte] of bytes.entries()) {
          const result = take(typed, byte, echo ? show : () => {});
          if (result === undefined) continue;
          ahead = behindLine(bytes, index);
          return end(result);
        }
      };
      stream.on("data", onData);
      stream.once("end", onEnd);
      stream.resume();
      if (ahead.length > 0) onData(Buffer.alloc(0));
    });
  return {
    ask: async (question) => (await line(question, true)).toString("utf8").trim(),
    askHidden: (question) => line(question, false),
    close() {
      if (stream.isRaw) stream.setRawMode(false);
      release();
    },
  };
};

/** The line, or why there is none, where this byte ends it; any other is put into the line. */
const take = (
  typed: number[],
  byte: number,
  show: (text: string) => void,
): Buffer | CommandFailed | undefined => {
  if (byte === CTRL_C) return new CommandFailed("interrupted", "ended by Ctrl-C; nothing was changed");
  if (byte === CTRL_D && typed.length === 0) {
    return new CommandFailed("usage", "the input ended in the middle of a question");
  }
  if (LINE_END.includes(byte)) return Buffer.from(typed);
  if (typed.length >= MAX_BYTES) return new CommandFailed("usage", "the line is too long");
  edit(typed, byte, show);
  return undefined;
};

/** What follows the byte that ended a line. A pasted line may end with two: CR LF. */
const behindLine = (bytes: readonly number[], end: number): number[] =>
  bytes.slice(end + (bytes[end] === 0x0d && bytes[end + 1] === 0x0a ? 2 : 1));

/** Adds a byte to the line, or takes back a character or all of it. */
const edit = (typed: number[], byte: number, show: (text: string) => void): void => {
  const removeLast = () => {
    // A character of UTF-8 is one byte that is no continuation, and the continuations behind it.
    let removed = typed.pop();
    while (removed !== undefined && (removed & 0xc0) === 0x80) {
      show("\b \b");
      removed = typed.pop();
    }
    if (removed !== undefined) show("\b \b");
  };
  if (BACKSPACE.includes(byte)) removeLast();
  else if (byte === CTRL_U) while (typed.length > 0) removeLast();
  else {
    typed.push(byte);
    if (byte >= 0x20) show(byte < 0x7f ? String.fromCharCode(byte) : "?");
  }
};

/** Asks for something hidden twice. @throws CommandFailed when the two differ. */
export const askTwice = async (terminal: Terminal, question: string, what: string): Promise<Buffer> => {
  const first = await terminal.askHidden(`${question} (not shown): `);
  const second = await terminal.askHidden("Once more: ");
  if (!first.equals(second)) throw new CommandFailed("usage", `the two ${what} differ; nothing was changed`);
  return first;
};

/** @throws CommandFailed where there is no terminal, or the answer is not yes. */
export const confirm = async (terminal: Terminal | undefined, question: string): Promise<void> => {
  if (terminal === undefined) {
    throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
  }
  const answer = await terminal.ask(`${question} [y/N] `);
  if (!/^(y|yes)$/i.test(answer)) throw new CommandFailed("declined", "nothing was changed");
};
