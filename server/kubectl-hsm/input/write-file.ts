// SPDX-License-Identifier: Apache-2.0
// Writes a file with mode 0600 atomically: as a temporary file that is then renamed or linked.
import { randomUUID } from "node:crypto";
import { link, rename, rm, writeFile } from "node:fs/promises";
import { CommandFailed } from "../exit-codes.ts";

/** @throws CommandFailed where it exists and shall not be overwritten, or can't be written. */
export const writePrivateFile = async (
  path: string,
  contents: Uint8Array,
  overwrite: boolean,
): Promise<void> => {
  const beside = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    await writeFile(beside, contents, { mode: 0o600, flag: "wx", flush: true });
    // A link fails where the name is taken; a rename replaces.
    if (overwrite) await rename(beside, path);
    else await link(beside, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "EEXIST") throw new CommandFailed("usage", `${path} exists already: --force overwrites it`);
    throw new CommandFailed("usage", `${path} can't be written (${code})`);
  } finally {
    await rm(beside, { force: true });
  }
};
