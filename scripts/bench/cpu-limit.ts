// SPDX-License-Identifier: Apache-2.0
// Puts a process under a limit of processor time by a control group of its own, as the kubelet does for a container, and removes that again.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The hierarchy of control groups that limits processors: where it is mounted, and below it the group of this process. */
export interface CpuHierarchy {
  readonly version: 1 | 2;
  readonly mount: string;
  readonly group: string;
}

/**
 * Finds it in the texts of /proc/self/cgroup and /proc/self/mounts. A controller is in one hierarchy: that of version 1 where one is
 * mounted for it, else that of version 2. Undefined where there is none.
 */
export const cpuHierarchyOf = (cgroup: string, mounts: string): CpuHierarchy | undefined => {
  const groups = cgroup.split("\n").map((line) => line.match(/^\d+:([^:]*):(.*)$/) ?? []);
  const mounted = mounts.split("\n").map((line) => line.split(" "));
  const first = groups.find(([, controllers = ""]) => controllers.split(",").includes("cpu"));
  const [, one] =
    mounted.find(([, , type, options = ""]) => type === "cgroup" && options.split(",").includes("cpu")) ?? [];
  if (first !== undefined && one !== undefined) return { version: 1, mount: one, group: first[2] ?? "/" };
  const second = groups.find(([, controllers]) => controllers === "");
  const [, two] = mounted.find(([, , type]) => type === "cgroup2") ?? [];
  if (second === undefined || two === undefined) return undefined;
  return { version: 2, mount: two, group: second[2] ?? "/" };
};

/** Folders in which a group can be made, from the root down to that of this process. */
export const placesOf = ({ mount, group }: CpuHierarchy): string[] => {
  const names = group.split("/").filter(Boolean);
  return [mount, ...names.map((_, at) => join(mount, ...names.slice(0, at + 1)))];
};

/** The kubelet's, in microseconds. */
const PERIOD = 100_000;

/** Files of a group and what is written to them; `share` is a part of one processor. */
export const limitOf = (version: 1 | 2, share: number): [file: string, text: string][] => {
  const quota = String(Math.round(share * PERIOD));
  if (version === 2) return [["cpu.max", `${quota} ${PERIOD}`]];
  return [
    ["cpu.cfs_period_us", String(PERIOD)],
    ["cpu.cfs_quota_us", quota],
  ];
};

/** A process that is limited until `release`, which comes at the latest when this process exits; or why it could not be. */
export type CpuLimit = { readonly ok: true; release(): void } | { readonly ok: false; readonly why: string };

const put = (folder: string, file: string, text: string): void =>
  // Not created where the kernel has none of this name.
  writeFileSync(join(folder, file), text, { flag: "r+" });

const PROCESSES = "cgroup.procs";
const ENABLED = "cgroup.subtree_control";

/** Version 2 gives groups the files of controllers that are enabled above them; answers whether they had to be. */
const enableIn = (place: string, version: 1 | 2): boolean => {
  if (version === 1 || readFileSync(join(place, ENABLED), "utf8").split(/\s+/).includes("cpu")) return false;
  put(place, ENABLED, "+cpu");
  return true;
};

/** A process that is being ended can't be moved, and is in its group for a moment. */
const REMOVE_TRIES = 100;
const REMOVE_PACE_MS = 10;

/** Waits without letting go of this thread: it may be what exits. */
const wait = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Moves what is in the group to `own`, as one that has processes can't be removed, and removes it. */
const removeGroup = (folder: string, own: string): void => {
  for (let left = REMOVE_TRIES; existsSync(folder); left -= 1) {
    try {
      const pids = readFileSync(join(folder, PROCESSES), "utf8").split("\n").filter(Boolean);
      for (const pid of pids) put(own, PROCESSES, pid);
      rmdirSync(folder);
    } catch (error) {
      if (left === 0) throw error;
      wait(REMOVE_PACE_MS);
    }
  }
};

/** Makes a group in `place` and moves `pid` to it; answers with what undoes both. */
const limitIn = (place: string, hierarchy: CpuHierarchy, pid: number, share: number): (() => void) => {
  const { version } = hierarchy;
  const own = placesOf(hierarchy).filter(existsSync).at(-1) ?? place;
  const folder = join(place, `keyswitch-bench-${pid}`);
  const enabled = enableIn(place, version);
  const undo = (): void => {
    removeGroup(folder, own);
    if (enabled) put(place, ENABLED, "-cpu");
  };
  try {
    mkdirSync(folder);
    for (const [file, text] of limitOf(version, share)) put(folder, file, text);
    put(folder, PROCESSES, String(pid));
    return undo;
  } catch (error) {
    undo();
    throw error;
  }
};

const thisHierarchy = (): CpuHierarchy | undefined =>
  existsSync("/proc/self/cgroup")
    ? cpuHierarchyOf(readFileSync("/proc/self/cgroup", "utf8"), readFileSync("/proc/self/mounts", "utf8"))
    : undefined;

/** Limits the process `pid`, all its threads together, to `share` of one processor. */
export const limitCpu = (pid: number, share: number): CpuLimit => {
  const hierarchy = thisHierarchy();
  if (hierarchy === undefined) return { ok: false, why: "there is no control group of processors here" };
  let why = "";
  for (const place of placesOf(hierarchy).filter(existsSync)) {
    try {
      const undo = limitIn(place, hierarchy, pid, share);
      process.once("exit", undo);
      const release = (): void => {
        process.off("exit", undo);
        undo();
      };
      return { ok: true, release };
    } catch (error) {
      why = error instanceof Error ? error.message : "no control group can be made";
    }
  }
  return { ok: false, why };
};
