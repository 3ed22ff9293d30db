// SPDX-License-Identifier: Apache-2.0
// Files and standard input that the user names, read whole and up to a limit.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { describeFileError } from "../../config/variables.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type Io, readAll } from "../io.ts";

/** Kubernetes takes no Secret that is larger. */
export const MAX_SECRET_BYTES = 1024 * 1024;

export type FileReader = {
  /**
   * The bytes of a file, or of standard input for `-`, which can be read once. Messages call it `what`.
   * @throws CommandFailed
   */
  read(path: string, options?: { what?: string; maxBytes?: number }): Promise<Buffer>;
};

export const createFileReader = (io: Io): FileReader => {
  let stdinUsed = false;
  return {
    async read(path, { what = path, maxBytes = MAX_SECRET_BYTES } = {}) {
      if (path === "-") {
        if (stdinUsed) throw new CommandFailed("usage", "standard input (-) can be used once");
        stdinUsed = true;
        return readAll(io.stdin, maxBytes, "standard input");
      }
      try {
        if ((await stat(path)).isDirectory()) throw new CommandFailed("usage", `${what} is a directory`);
        return await readAll(createReadStream(path), maxBytes, what);
      } catch (error) {
        if (error instanceof CommandFailed) throw error;
        throw new CommandFailed("usage", `${what} ${describeFileError(error)}`);
      }
    },
  };
};

/** The one line of a file, such as a PIN's; the line break at its end is not part of it. */
export const oneLineOf = (contents: Buffer, what: string): string => {
  const line = contents.toString("utf8").replace(/\r?\n$/, "");
  if (line === "") throw new CommandFailed("usage", `${what} is empty`);
  if (/[\r\n]/.test(line)) throw new CommandFailed("usage", `${what} holds more than one line`);
  return line;
};
