// SPDX-License-Identifier: Apache-2.0
// Lists the files below the node's /dev that globs match, and their permissions. Nothing is opened, and no link leads out.
import type { Stats } from "node:fs";
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { join, matchesGlob, sep } from "node:path";
import type { DevicePath } from "../discovery-api/schema.ts";

/** What a file that goes meanwhile, a folder that may not be read and a link to nowhere are answered with. */
const SKIPPED = ["ENOENT", "ENOTDIR", "ENODEV", "ENXIO", "EACCES", "EPERM", "ELOOP"];

const orSkipped = async <T>(reading: Promise<T>): Promise<T | undefined> => {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && "code" in error && SKIPPED.includes(String(error.code))) return undefined;
    throw error;
  }
};

/** The paths relative to `root` that the segments match; folders that are links are not entered. */
const matches = async (
  root: string,
  [segment, ...rest]: readonly string[],
  below: readonly string[] = [],
): Promise<string[]> => {
  if (segment === undefined) return [below.join(sep)];
  const entries = (await orSkipped(readdir(join(root, ...below), { withFileTypes: true }))) ?? [];
  const found = entries.filter(
    (entry) => matchesGlob(entry.name, segment) && (rest.length === 0 || entry.isDirectory()),
  );
  return (await Promise.all(found.map(({ name }) => matches(root, rest, [...below, name])))).flat();
};

/** What is at the path, through a link only where that stays below `root`. */
const inside = async (root: string, path: string): Promise<Stats | undefined> => {
  const itself = await orSkipped(lstat(join(root, path)));
  if (itself === undefined || !itself.isSymbolicLink()) return itself;
  const target = await orSkipped(realpath(join(root, path)));
  return target?.startsWith(`${root}${sep}`) ? orSkipped(stat(target)) : undefined;
};

const PERMISSIONS = 0o7777;

/**
 * The files that any of the globs matches, by path, each once.
 * @throws Node's error where `devRoot` is not there
 */
export const listDevicePaths = async (
  devRoot: string,
  globs: readonly (readonly string[])[],
): Promise<DevicePath[]> => {
  if (globs.length === 0) return [];
  const root = await realpath(devRoot);
  const paths = new Set((await Promise.all(globs.map((glob) => matches(root, glob)))).flat());
  const listed = await Promise.all(
    [...paths].sort().map(async (path) => {
      const found = await inside(root, path);
      if (found === undefined || found.isDirectory()) return [];
      return [{ path, permissions: (found.mode & PERMISSIONS).toString(8).padStart(4, "0") }];
    }),
  );
  return listed.flat();
};
