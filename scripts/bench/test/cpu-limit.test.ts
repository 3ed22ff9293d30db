// SPDX-License-Identifier: Apache-2.0
// Tests where a limit of processor time goes in either version of control groups, and that a limited process is let go again.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import t from "tap";
import { cpuHierarchyOf, limitCpu, limitOf, placesOf } from "../cpu-limit.ts";

const UNIFIED = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0";
const MOUNTS_1 = [
  "tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0",
  "cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0",
  "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0",
  "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0",
].join("\n");

t.test("version 2 has one hierarchy, and groups go from its root to that of the process", async (t) => {
  const hierarchy = cpuHierarchyOf("0::/user.slice/user-1000.slice\n", UNIFIED);
  t.same(hierarchy, { version: 2, mount: "/sys/fs/cgroup", group: "/user.slice/user-1000.slice" });
  t.same(hierarchy && placesOf(hierarchy), [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/user.slice",
    "/sys/fs/cgroup/user.slice/user-1000.slice",
  ]);
});

t.test(
  "where version 1 has the controller its hierarchy is taken, not another's and not version 2's",
  async (t) => {
    const cgroup = "4:cpuset:/other\n2:cpu,cpuacct:/\n0::/unified\n";
    const hierarchy = cpuHierarchyOf(cgroup, MOUNTS_1);
    t.same(hierarchy, { version: 1, mount: "/sys/fs/cgroup/cpu,cpuacct", group: "/" });
    t.same(hierarchy && placesOf(hierarchy), ["/sys/fs/cgroup/cpu,cpuacct"]);
  },
);

t.test("there is none where nothing is mounted", async (t) => {
  t.equal(cpuHierarchyOf("0::/\n", "proc /proc proc rw 0 0"), undefined);
  t.equal(cpuHierarchyOf("", UNIFIED), undefined);
});

t.test("a share of a processor is a quota of the kubelet's period", async (t) => {
  t.same(limitOf(2, 0.2), [["cpu.max", "20000 100000"]]);
  t.same(limitOf(1, 1.5), [
    ["cpu.cfs_period_us", "100000"],
    ["cpu.cfs_quota_us", "150000"],
  ]);
});

t.test("a process is limited until it is released", async (t) => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  t.teardown(() => child.kill("SIGKILL"));
  const pid = child.pid ?? 0;
  const groups = (): string => readFileSync(`/proc/${pid}/cgroup`, "utf8");
  const before = groups();
  const limit = limitCpu(pid, 0.2);
  if (!limit.ok) {
    t.equal(groups(), before);
    return t.comment(`no limit can be set here: ${limit.why}`);
  }
  t.match(groups(), `/keyswitch-bench-${pid}\n`);
  limit.release();
  t.equal(groups(), before);
  const hierarchy = cpuHierarchyOf(before, readFileSync("/proc/self/mounts", "utf8"));
  t.same(
    hierarchy &&
      placesOf(hierarchy)
        .map((at) => `${at}/keyswitch-bench-${pid}`)
        .filter(existsSync),
    [],
  );
});

t.test("a process that does not exist can't be limited, and leaves no group", async (t) => {
  const limit = limitCpu(2 ** 30, 0.2);
  t.notOk(limit.ok);
  t.notOk(existsSync(`/sys/fs/cgroup/cpu/keyswitch-bench-${2 ** 30}`));
});
