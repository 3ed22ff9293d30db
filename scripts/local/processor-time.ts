// SPDX-License-Identifier: Apache-2.0
// Reads how much time of a processor a process has taken, as finely as the kernel counts it.
import { readdirSync, readFileSync } from "node:fs";

/** Linux: proc_pid_stat(5), in ticks of 10 ms. */
const byTicks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/**
 * Seconds of processor of all threads that `pid` has: in nanoseconds (Documentation/scheduler/sched-stats.rst), or in ticks of 10 ms where the
 * kernel does not count those. Threads that have ended are not in it; Node ends none of its own while it runs.
 */
export const cpuSecondsOf = (pid: number): number => {
  try {
    let nanoseconds = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    }
    return nanoseconds > 0 ? nanoseconds / 1e9 : byTicks(pid);
  } catch {
    return byTicks(pid);
  }
};
