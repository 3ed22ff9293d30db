// SPDX-License-Identifier: Apache-2.0
// Tests the report over time: equal bytes while nothing changes, no list while devices can't be read, one log line per change.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { DeviceScanner } from "../../server/discovery/device-scanner.ts";
import { DeviceWatch } from "../../server/discovery/device-watch.ts";
import { createDiscoveryMetrics } from "../../server/discovery/metrics.ts";
import { recordedLog } from "../http/recorded-log.ts";

const watchOf = async (t: Test, options: { rescanEveryMs?: number; globs?: string[][] } = {}) => {
  const { rescanEveryMs = 3_600_000, globs = [] } = options;
  const root = t.testdir({ dev: {} });
  const tree = new SysfsTree(join(root, "sys"));
  const registry = new Registry();
  const metrics = createDiscoveryMetrics(registry);
  const log = recordedLog();
  const clock = { ms: 0 };
  const now = () => clock.ms;
  let looks = 0;
  const scanner = new DeviceScanner({
    nodeName: "node-a",
    sysfsRoot: tree.root,
    devRoot: join(root, "dev"),
    devicePaths: globs,
    plugin: false,
    readers: new Map(),
    rescanEveryMs,
    now,
    onScan: metrics.scanned,
  });
  const look = () => scanner.look().finally(() => (looks += 1));
  const watch = new DeviceWatch({ look, everyMs: 5, staleMs: 1000, logger: log.logger, metrics, now });
  await watch.start();
  t.teardown(() => watch.close());
  const metric = async (name: string) => {
    const [value] = (await registry.getSingleMetric(name)?.get())?.values ?? [];
    return value?.value;
  };
  return {
    root,
    tree,
    watch,
    clock,
    metric,
    /** The texts that were logged. */
    said: () => log.lines.map(({ msg }) => msg),
    /** Waits for two looks that began after now. */
    async looked() {
      const from = looks;
      await eventually("two looks", async () => looks >= from + 2, { paceMs: 2 });
    },
    ids: () => {
      const current = watch.current();
      return current.ok ? current.body.devices.map(({ id }) => id) : current.message;
    },
  };
};

t.test(
  "readings with nothing changed are the same bytes, also after all devices were read anew",
  async (t) => {
    const { tree, watch, looked, metric, said } = await watchOf(t, { rescanEveryMs: 0 });
    tree.plug("1-1", { serial: "E66" });
    await looked();
    const before = watch.current();
    const lines = said().length;
    const scans = (await metric("keyswitch_discovery_scans_total")) ?? 0;
    await looked();
    t.same(watch.current(), before);
    t.ok(((await metric("keyswitch_discovery_scans_total")) ?? 0) > scans, "they were read");
    t.equal(said().length, lines, "nothing is logged");
  },
);

t.test("without a plug all devices are read when it is time, and not before", async (t) => {
  const { clock, looked, metric } = await watchOf(t, { rescanEveryMs: 500 });
  await looked();
  t.equal(await metric("keyswitch_discovery_scans_total"), 1);
  clock.ms = 500;
  await looked();
  t.equal(await metric("keyswitch_discovery_scans_total"), 2);
});

t.test("a device that comes back at another port keeps its id, and its tag is another", async (t) => {
  const { tree, watch, looked, ids } = await watchOf(t);
  tree.plug("1-1", { serial: "E66" });
  await looked();
  t.same(ids(), ["E66"]);
  const before = watch.current();
  tree.unplug("1-1");
  await looked();
  t.same(ids(), []);
  tree.plug("1-4.2", { serial: "E66" });
  await looked();
  t.same(ids(), ["E66"]);
  const after = watch.current();
  t.ok(before.ok && after.ok && before.etag !== after.etag);
  t.match(after, { body: { devices: [{ port: "1-4.2" }] } });
});

t.test(
  "where sysfs is gone there is no list, and when it is back the same one, with a line in the log for each",
  async (t) => {
    const { tree, watch, looked, said, metric } = await watchOf(t);
    tree.plug("1-1", { serial: "E66" });
    await looked();
    const before = watch.current();
    renameSync(tree.root, `${tree.root}-away`);
    mkdirSync(tree.root);
    await looked();
    t.match(watch.current(), {
      ok: false,
      message: /there is no folder .*sys\/bus; is sysfs mounted at SYSFS_ROOT\?$/,
    });
    t.ok(((await metric("keyswitch_discovery_failures_total")) ?? 0) > 0);
    rmSync(tree.root, { recursive: true });
    renameSync(`${tree.root}-away`, tree.root);
    await looked();
    t.same(watch.current(), before);
    t.same(
      said().map((line) => String(line).split(":")[0]),
      ["a device is there", "the devices can't be read", "the devices can be read again"],
    );
  },
);

t.test("the same for /dev, where there are globs", async (t) => {
  const { root, looked, ids } = await watchOf(t, { globs: [["tty*"]] });
  t.same(ids(), []);
  rmSync(join(root, "dev"), { recursive: true });
  await looked();
  t.match(ids(), /there is no folder .*\/dev; is the node's \/dev mounted at DEV_ROOT\?$/);
});

t.test("a list is not told when the look after it does not end in time", async (t) => {
  const { clock, looked, ids } = await watchOf(t);
  clock.ms = 999;
  t.same(ids(), []);
  clock.ms = 3000;
  t.match(ids(), /a look at the devices has not ended; the last is 3 s old/);
  await looked();
  t.same(ids(), []);
});
