// SPDX-License-Identifier: Apache-2.0
// Runs a program on a real pseudo-terminal and types at it: python3's pty module provides the terminal.
import { spawn } from "node:child_process";
import { once } from "node:events";

/** What was typed behind this byte reaches the program when its terminal shows no keys. */
const HIDDEN = "\0";

const PTY = `
import os, pty, sys, termios, time

terminal = None

def show(fd):
    global terminal
    terminal = fd
    return os.read(fd, 1024)

def enter(fd):
    keys = os.read(fd, 1024)
    if not keys.startswith(b"\\0"):
        return keys
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        time.sleep(0.005)
    return keys[1:]

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], show, enter)) % 256)
`;

export type PtySession = {
  /** Waits until the terminal shows `text` behind what was waited for before. */
  until(text: string): Promise<void>;
  /** What a keyboard sends: Enter is \r, Ctrl-C \u0003. */
  type(keys: string): void;
  /**
   * Types at a prompt for a password, once the terminal shows no keys: a program that prompts first and then turns the echo off
   * with TCSAFLUSH (pkcs11-tool) throws away what was typed between.
   */
  typeHidden(keys: string): void;
  /** Everything that the terminal has shown, once the program has ended, and how. */
  end(): Promise<{ code: number | null; shown: string }>;
};

export const onTerminal = (command: readonly string[], env: Record<string, string>): PtySession => {
  const child = spawn("python3", ["-c", PTY, ...command], { env, stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  let read = 0;
  let ended = false;
  let wake = () => {};
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    wake();
  });
  const closed = once(child, "close").then(([code]: unknown[]) => {
    ended = true;
    wake();
    return typeof code === "number" ? code : null;
  });
  return {
    async until(text) {
      for (;;) {
        const at = shown.indexOf(text, read);
        if (at >= 0) {
          read = at + text.length;
          return;
        }
        if (ended) throw new Error(`the program ended without showing ${JSON.stringify(text)}: ${shown}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    type: (keys) => {
      child.stdin.write(keys);
    },
    typeHidden: (keys) => {
      child.stdin.write(HIDDEN + keys);
    },
    async end() {
      const code = await closed;
      return { code, shown };
    },
  };
};
