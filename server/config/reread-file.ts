// SPDX-License-Identifier: Apache-2.0
// Rereads a value from files when they change; an invalid change keeps the old value.
import { readFileSync, statSync } from "node:fs";
import { describeFileError } from "./variables.ts";

/** What a file's bytes came to. The message completes "<path> …" and holds nothing of the content. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; message: string };

export type RereadOptions<T, Paths extends readonly string[]> = {
  /** The value is made of all of them; a change of one reads all again. */
  paths: Paths;
  parse: (...contents: { [I in keyof Paths]: Buffer }) => Parsed<T>;
  /** Called once for each state of the files that could not be used. */
  onFault: (message: string) => void;
  /** Called after each later value. */
  onChange?: (value: T) => void;
  /** Milliseconds, monotonic. */
  now?: () => number;
  /** The files are looked at no more often than this. */
  checkEveryMs?: number;
};

export type RereadFile<T> = {
  /** The newest usable value; looks at the files when it is time. */
  get(): T;
  /** Why the files as they are now can't be used; undefined when the value is theirs. */
  fault(): string | undefined;
};

/** The first reading failed: a fault of the start. */
export class UnusableFile extends Error {}

/**
 * A change is seen by inode, size and times, not by watching: Kubernetes replaces mounted Secrets by swapping a link.
 * @throws UnusableFile when the files can't be used at the start.
 */
export const rereadFiles = <T, const Paths extends readonly string[]>(
  options: RereadOptions<T, Paths>,
): RereadFile<T> => {
  const { paths, onFault, onChange, now = () => performance.now(), checkEveryMs = 1000 } = options;
  let stamp = stampOf(paths);
  let checkedAt = now();
  const first = load(options);
  if (!first.ok) throw new UnusableFile(first.message);
  let value = first.value;
  let fault: string | undefined;
  return {
    get() {
      if (now() - checkedAt < checkEveryMs) return value;
      checkedAt = now();
      // The stamp is taken before the reading, so that a write in between is seen the next time.
      const seen = stampOf(paths);
      if (seen === stamp) return value;
      stamp = seen;
      const loaded = load(options);
      if (loaded.ok) {
        value = loaded.value;
        fault = undefined;
        onChange?.(value);
      } else {
        fault = `${loaded.message}; the former content stays in use`;
        onFault(fault);
      }
      return value;
    },
    fault: () => fault,
  };
};

/** Reads all files; the message of a fault names them. */
const load = <T, const Paths extends readonly string[]>({
  paths,
  parse,
}: Pick<RereadOptions<T, Paths>, "paths" | "parse">): Parsed<T> => {
  const contents: Buffer[] = [];
  for (const path of paths) {
    try {
      contents.push(readFileSync(path));
    } catch (error) {
      return { ok: false, message: `${path} ${describeFileError(error)}` };
    }
  }
  const parsed = parse(...(contents as { [I in keyof Paths]: Buffer }));
  return parsed.ok ? parsed : { ok: false, message: `${paths.join(", ")} ${parsed.message}` };
};

/** What tells one state of the files from another. */
const stampOf = (paths: readonly string[]): string =>
  paths
    .map((path) => {
      try {
        const stat = statSync(path, { bigint: true });
        return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
      } catch (error) {
        return describeFileError(error);
      }
    })
    .join("|");
