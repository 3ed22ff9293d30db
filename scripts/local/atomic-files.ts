// SPDX-License-Identifier: Apache-2.0
// Writes the files of a mounted volume atomically, as the kubelet does: by the swap of one symbolic link.
// https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** Makes `folder` hold exactly `files`, contents by path, and answers with the paths of those that differ from before. */
export const writeFilesAtomically = (folder: string, files: ReadonlyMap<string, Buffer>): string[] => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const data = join(folder, "..data");
  const before = existsSync(data) ? join(folder, readlinkSync(data)) : undefined;
  const held = before === undefined ? new Map<string, Buffer>() : filesBelow(before);
  const changed = [...new Set([...held.keys(), ...files.keys()])].filter((path) => {
    const [old, content] = [held.get(path), files.get(path)];
    return old === undefined || content === undefined || !old.equals(content);
  });
  if (before !== undefined && changed.length === 0) return [];
  const version = mkdtempSync(join(folder, "..version-"));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(version, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(version, path), content, { mode: 0o600 });
  }
  symlinkSync(basename(version), `${data}_tmp`);
  renameSync(`${data}_tmp`, data);
  for (const path of files.keys()) {
    const [name = path] = path.split("/");
    if (!existsSync(join(folder, name))) symlinkSync(join("..data", name), join(folder, name));
  }
  // The link of a file that is no longer there leads nowhere.
  if (before !== undefined) rmSync(before, { recursive: true });
  return changed.map((path) => join(folder, path));
};

const filesBelow = (folder: string): Map<string, Buffer> =>
  new Map(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => [path, readFileSync(join(folder, path))] as const),
  );
