// SPDX-License-Identifier: Apache-2.0
// Makes an SO PIN and hands it over in a file: written once, for its owner alone, on disk before the token has it.
import { randomInt } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parsePin } from "../../../config/pin-line.ts";
import { readChecked } from "../../../config/variables.ts";

/** A SmartCard-HSM's SO PIN is exactly 16 hexadecimal digits; decimal ones are such, and every module takes them. */
const DIGITS = 16;
/** Fewer can be guessed. */
const FEWEST_DIGITS = 12;

/** A new SO PIN for a token that takes PINs of such lengths; undefined where it takes none that is long enough. */
export const newSoPin = ({
  minPinLen,
  maxPinLen,
}: {
  minPinLen: number;
  maxPinLen: number;
}): string | undefined => {
  const most = maxPinLen < Math.max(1, minPinLen) ? DIGITS : maxPinLen;
  const length = Math.min(most, Math.max(DIGITS, minPinLen));
  if (length < FEWEST_DIGITS || length > 255) return undefined;
  return Array.from({ length }, () => randomInt(10)).join("");
};

const whyNotWritten = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return code === "EEXIST" ? "exists already" : `can't be written (${code})`;
};

const synced = (path: string, flags: number, write: (file: number) => void): void => {
  const file = openSync(path, flags, 0o600);
  try {
    write(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** Why the SO PIN could not be written, as a phrase; undefined where it is on disk. What is there is never written over. */
export const writeSoPin = (path: string, soPin: string): string | undefined => {
  let made = false;
  try {
    synced(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, (file) => {
      made = true;
      writeFileSync(file, `${soPin}\n`);
    });
    synced(dirname(path), O_RDONLY | O_DIRECTORY, () => undefined);
    return undefined;
  } catch (error) {
    // No token has this one: what of it there is would stand in the way of the next try.
    if (made) rmSync(path, { force: true });
    return whyNotWritten(error);
  }
};

/** The SO PIN that was handed over, or why there is none, as a phrase. */
export const readSoPin = (path: string): { ok: true; value: string } | { ok: false; message: string } => {
  const read = readChecked(path);
  return read.ok ? parsePin(read.bytes) : read;
};
