// SPDX-License-Identifier: Apache-2.0
// Wraps the process's standard streams with awaited writes, and sanitizes text for a terminal.
import type { Readable, Writable } from "node:stream";
import { CommandFailed } from "./exit-codes.ts";

/** What a command reads and writes; the process's own streams, but in one place. */
export type Io = {
  stdin: Readable;
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean; columns?: number };
};

const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** One line of text from elsewhere, so that none of it is an instruction to the terminal. */
export const oneLine = (text: string): string => text.replace(UNSAFE, "?");

/** Several lines of text from elsewhere; the line breaks stay. */
export const severalLines = (text: string): string => text.split(/\r?\n/).map(oneLine).join("\n");

/** Whether text can go to a terminal as it is. */
export const isPlainText = (text: string): boolean => !text.replace(/[\n\t]/g, "").match(UNSAFE);

/** Writes and waits until it is written. */
export const write = (stream: Writable, content: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(content, (error) => (error ? reject(error) : resolve()));
  });

/** All bytes of a stream, up to a limit. */
export const readAll = async (stream: Readable, maxBytes: number, what: string): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) throw new CommandFailed("usage", `${what} holds more than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
};
