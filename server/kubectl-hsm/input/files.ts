// SPDX-License-Identifier: Apache-2.0
// Reads files and standard input that the user names, whole and up to a size limit.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { MAX_SECRET_BYTES } from "../../../hooks/formats.ts";
import { parsePin } from "../../config/pin-line.ts";
import { describeFileError } from "../../config/variables.ts";
import { CommandFailed } from "../exit-codes.ts";
import { type Io, readAll } from "../io.ts";

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

/** The PIN that is all of a file; the line break at its end is not part of it. */
export const pinOf = (contents: Buffer, what: string): string => {
  const pin = parsePin(contents);
  if (!pin.ok) throw new CommandFailed("usage", `${what} ${pin.message}`);
  return pin.value;
};
