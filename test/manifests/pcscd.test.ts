// SPDX-License-Identifier: Apache-2.0
// Tests manifests/agent/pcscd.sh: it starts pcscd cleanly, and notices readers that come, go, or come back.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { root } from "./rendered.ts";

/** A node with one USB reader at 1-2, and a pcscd that only notes how it was started. */
const node = (t: Test) => {
  const folder = t.testdir({
    sys: { bus: { usb: { devices: {} } } },
    dev: { bus: { usb: { "001": {} } } },
    bin: {},
  });
  // A short path: that of a socket has 107 bytes at most.
  const state = mkdtempSync(join(tmpdir(), "pcscd-"));
  t.teardown(() => rmSync(state, { recursive: true, force: true }));
  writeFileSync(join(folder, "bin/pcscd"), `#!/bin/sh\necho "$@" >${folder}/started\n`, { mode: 0o755 });
  const device = (name: string, devnum: number, interfaceClass: string, isOurs = true) => {
    const path = join(folder, "sys/bus/usb/devices", name);
    mkdirSync(path, { recursive: true });
    mkdirSync(`${path}:1.0`, { recursive: true });
    writeFileSync(join(path, "busnum"), "1\n");
    writeFileSync(join(path, "devnum"), `${devnum}\n`);
    writeFileSync(join(`${path}:1.0`, "bInterfaceClass"), `${interfaceClass}\n`);
    if (isOurs) writeFileSync(join(folder, "dev/bus/usb/001", String(devnum).padStart(3, "0")), "");
  };
  device("1-2", 5, "0b");
  device("1-3", 6, "03");
  const run = (command: string) =>
    spawnSync("sh", [join(root, "manifests/agent/pcscd.sh"), command], {
      encoding: "utf8",
      env: {
        PATH: `${join(folder, "bin")}:${process.env.PATH}`,
        SYSFS_ROOT: join(folder, "sys"),
        DEV_ROOT: join(folder, "dev"),
        PCSCD_STATE: state,
      },
    });
  return { folder, state, device, run };
};

/** A node whose pcscd runs and listens. */
const running = async (t: Test) => {
  const it = node(t);
  it.run("run");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(it.state, "pcscd.comm"), resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return it;
};

t.test("run starts pcscd in the foreground, without the leftovers of a killed one", async (t) => {
  const { folder, state, run } = node(t);
  writeFileSync(join(state, "pcscd.pid"), "1\n");
  writeFileSync(join(state, "pcscd.comm"), "");
  const { status, stderr } = run("run");
  t.equal(status, 0, stderr);
  t.equal(readFileSync(join(folder, "started"), "utf8"), "--foreground --error\n");
  t.notOk(existsSync(join(state, "pcscd.pid")));
  t.notOk(existsSync(join(state, "pcscd.comm")));
});

t.test("check passes while the readers are those of the start", async (t) => {
  const { run, device } = await running(t);
  t.equal(run("check").status, 0);
  device("1-4", 9, "08");
  t.equal(run("check").status, 0, "a USB disk is no reader");
});

t.test("check passes whatever readers come that the container does not have", async (t) => {
  const { run, device } = await running(t);
  device("1-4", 99, "0b", false);
  const { status, stdout } = run("check");
  t.equal(status, 0, stdout);
});

t.test("check fails before pcscd listens", async (t) => {
  const { run } = node(t);
  run("run");
  t.equal(run("check").status, 1);
});

const changes: [string, (it: ReturnType<typeof node>) => void][] = [
  [
    "a reader was unplugged",
    ({ folder }) => rmSync(join(folder, "sys/bus/usb/devices/1-2:1.0"), { recursive: true }),
  ],
  ["a reader was plugged in", ({ device }) => device("1-5", 7, "0b")],
  ["a reader was unplugged and plugged in between two checks", ({ device }) => device("1-2", 8, "0b")],
];
for (const [name, change] of changes) {
  t.test(`check fails when ${name}`, async (t) => {
    const it = await running(t);
    change(it);
    const { status, stdout } = it.run("check");
    t.equal(status, 1);
    t.match(stdout, /the readers have changed/);
  });
}
