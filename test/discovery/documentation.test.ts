// SPDX-License-Identifier: Apache-2.0
// Tests that docs/discovery.md is true: its example is answered, and its routes, fields and metrics are those of the code.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { buildDiscoveryApp } from "../../server/discovery/app.ts";
import { DeviceScanner } from "../../server/discovery/device-scanner.ts";
import { DeviceWatch } from "../../server/discovery/device-watch.ts";
import { createDiscoveryMetrics } from "../../server/discovery/metrics.ts";
import { DiscoveredDevice } from "../../server/discovery-api/schema.ts";

const text = readFileSync(new URL("../../docs/discovery.md", import.meta.url), "utf8");
const rows = (head: string) =>
  [...(text.split(`| ${head} |`)[1]?.split("\n\n")[0] ?? "").matchAll(/^\| `([^`]+)` \|/gm)].map(
    ([, cell = ""]) => cell,
  );

t.test("the example, routes and metrics", async (t) => {
  const root = t.testdir({});
  const tree = new SysfsTree(join(root, "sys"));
  tree.plug("1-2", { serial: "E6614" });
  tree.plug("1-3.1", { vendorId: "08e6", productId: "3437" });
  mkdirSync(join(root, "dev"));
  writeFileSync(join(root, "dev/ttyACM0"), "");
  chmodSync(join(root, "dev/ttyACM0"), 0o660);
  const registry = new Registry();
  const metrics = createDiscoveryMetrics(registry);
  const logger = pino({ level: "silent" });
  const now = () => 0;
  const scanner = new DeviceScanner({
    nodeName: "node-a",
    sysfsRoot: tree.root,
    devRoot: join(root, "dev"),
    devicePaths: [["ttyACM*"]],
    readers: new Map([["08e6:3437", "Gemalto PC Twin Reader"]]),
    plugin: true,
    rescanEveryMs: 30_000,
    now,
    onScan: metrics.scanned,
  });
  const look = () => scanner.look();
  const watch = new DeviceWatch({ look, everyMs: 3_600_000, staleMs: 15_000, logger, metrics, now });
  await watch.start();
  t.teardown(() => watch.close());
  const app = buildDiscoveryApp({
    current: () => watch.current(),
    logger,
    registry,
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
  });
  t.teardown(() => app.close());
  const [, status, body = ""] = /```http\nGET \/v1\/devices\n(\d+)\n([^`]*)```/.exec(text) ?? [];
  const answer = await app.inject("/v1/devices");
  t.equal(String(answer.statusCode), status);
  t.same(answer.json(), JSON.parse(body));
  await app.ready();
  for (const route of rows("route | what it answers | errors of its own")) {
    const [method, url = ""] = route.split(" ");
    t.ok(method === "GET" && app.hasRoute({ method, url }), route);
  }
  t.same(
    rows("metric | meaning").sort(),
    registry
      .getMetricsAsArray()
      .map(({ name }) => name)
      .filter((name) => name.startsWith("keyswitch_discovery_"))
      .sort(),
  );
});

t.test("every field that the table names is one", async (t) => {
  const fields = rows("field | meaning");
  t.ok(fields.length > 5);
  for (const field of fields) t.ok(Object.hasOwn(DiscoveredDevice.properties, field), field);
});
