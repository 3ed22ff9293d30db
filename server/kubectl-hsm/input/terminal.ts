// SPDX-License-Identifier: Apache-2.0
// The user's terminal: questions, and input that is not shown. It is asked even where standard input is a pipe.
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
  if (io.stdin instanceof ReadStream)
    return terminalOn(
      io.stdin,
      (text) => io.stderr.write(text),
      () => {},
    );
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
      const end = (finish: () => void) => {
        stream.off("data", onData);
        stream.off("end", onEnd);
        stream.setRawMode(false);
        stream.pause();
        show("\n");
        finish();
      };
      const onEnd = () =>
        end(() => reject(new CommandFailed("usage", "the terminal was closed in the middle of a question")));
      /** True when the line is over. */
      const take = (byte: number): boolean => {
        if (byte === CTRL_C)
          end(() => reject(new CommandFailed("interrupted", "ended by Ctrl-C; nothing was changed")));
        else if (byte === CTRL_D && typed.length === 0)
          end(() => reject(new CommandFailed("usage", "the input ended in the middle of a question")));
        else if (LINE_END.includes(byte)) end(() => resolve(Buffer.from(typed)));
        else if (typed.length >= MAX_BYTES)
          end(() => reject(new CommandFailed("usage", "the line is too long")));
        else {
          edit(typed, byte, echo ? show : () => {});
          return false;
        }
        return true;
      };
      const onData = (chunk: Buffer) => {
        const bytes = [...ahead, ...chunk];
        ahead = [];
        for (const [index, byte] of bytes.entries()) {
          if (!take(byte)) continue;
          // A pasted line may end with both.
          const both = byte === 0x0d && bytes[index + 1] === 0x0a;
          ahead = bytes.slice(index + (both ? 2 : 1));
          return;
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
  if (terminal === undefined)
    throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
  const answer = await terminal.ask(`${question} [y/N] `);
  if (!/^(y|yes)$/i.test(answer)) throw new CommandFailed("declined", "nothing was changed");
};
