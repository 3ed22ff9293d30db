// SPDX-License-Identifier: Apache-2.0
// Tests `kubectl hsm devices`: all nodes with discovery, the agent's node without, and nodes that do not answer.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { parse } from "yaml";
import { SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { buildDiscoveryApp } from "../../server/discovery/app.ts";
import type { Current } from "../../server/discovery/device-watch.ts";
import type { DiscoveredDevice, DiscoveryBody } from "../../server/discovery-api/schema.ts";
import { type Cluster, secretData, startCluster } from "./cluster/cluster.ts";
import { temporaryFolder } from "./fixture.ts";

const device = (node: string, over: Partial<DiscoveredDevice>): DiscoveredDevice => ({
  id: "E66",
  node,
  port: "1-2",
  deviceNumber: 7,
  devicePath: "bus/usb/001/007",
  vendorId: "2e8a",
  productId: "10fd",
  serialNumber: "E66",
  type: "PicoHSM",
  name: null,
  fault: null,
  resource: null,
  ...over,
});

/** The discovery of a node with the cluster's credentials; gives its address. */
const discovery = async (t: Test, cluster: Cluster, current: Current): Promise<string> => {
  const folder = temporaryFolder(t);
  const tls = await secretData(cluster.api, "keyswitch", "keyswitch-discovery-tls");
  const { read = "" } = await secretData(cluster.api, "keyswitch", "keyswitch-discovery-token");
  const files = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  writeFileSync(files.certFile, tls["tls.crt"] ?? "");
  writeFileSync(files.keyFile, tls["tls.key"] ?? "");
  writeFileSync(join(folder, "read"), read);
  const app = buildDiscoveryApp({
    current: () => current,
    logger: pino({ level: "silent" }),
    registry: new Registry(),
    auth: {
      tokenFiles: [{ variable: "READ_TOKEN_FILE", path: join(folder, "read"), scopes: ["read"] }],
      clientCertificates: false,
      loopback: true,
    },
    tls: files,
  });
  t.teardown(() => app.close());
  return app.listen({ host: "127.0.0.1", port: 0 });
};

const told = (body: DiscoveryBody): Current => ({ ok: true, body, etag: '"x"' });

const onA: DiscoveryBody = {
  node: "node-a",
  plugin: true,
  devices: [
    device("node-a", {}),
    device("node-a", { id: "node-a.1-3", port: "1-3", serialNumber: null, type: "Generic" }),
  ],
  paths: [{ path: "ttyACM0", permissions: "0660" }],
};
const onB: DiscoveryBody = {
  node: "node-b",
  plugin: true,
  devices: [
    device("node-b", { id: "E\u001b77", serialNumber: "E\u001b77", fault: "duplicate serial" }),
    device("node-b", { id: "0001", serialNumber: "0001", port: "2-1", type: null, vendorId: "046d" }),
  ],
  paths: [],
};

t.test("where there is discovery", async (t) => {
  const folder = temporaryFolder(t);
  const tree = new SysfsTree(join(folder, "sys"));
  tree.plug("1-2", { serial: "E66" });
  const cluster = await startCluster(t, { sysfsRoot: tree.root });
  t.test("before it is installed the agent tells of its own node", async (t) => {
    const ran = await cluster.run(["devices"]);
    t.match(ran, { code: 0, stdout: /^NODE +BUS +ID +TYPE +SERIAL\nnode-a +1-2 +2e8a:10fd +PicoHSM +E66\n/ });
    t.match(JSON.parse((await cluster.run(["devices", "-o", "json"])).stdout), { node: "node-a" });
  });
  t.test("all nodes in a table, in their order, and nothing that a terminal would obey", async (t) => {
    await cluster.credentials("--only", "discovery");
    await cluster.addDiscoveryPod("keyswitch-discovery-b", "node-b", await discovery(t, cluster, told(onB)));
    await cluster.addDiscoveryPod("keyswitch-discovery-a", "node-a", await discovery(t, cluster, told(onA)));
    const ran = await cluster.run(["devices"]);
    t.equal(ran.stderr, "");
    t.equal(ran.code, 0);
    t.same(
      ran.stdout.split("\n").map((line) => line.split(/ {2,}/)),
      [
        ["NODE", "ID", "TYPE", "PORT", "USB", "SERIAL", "FAULT"],
        ["node-a", "E66", "PicoHSM", "1-2", "2e8a:10fd", "E66"],
        ["node-a", "node-a.1-3", "Generic", "1-3", "2e8a:10fd"],
        ["node-b", "E?77", "PicoHSM", "1-2", "2e8a:10fd", "E?77", "duplicate serial"],
        ["node-b", "0001", "2-1", "046d:10fd", "0001"],
        [""],
        ["NODE", "PATH", "PERMISSIONS"],
        ["node-a", "ttyACM0", "0660"],
        [""],
      ],
    );
    const whole = { nodes: [onA, onB], failures: [] };
    t.same(JSON.parse((await cluster.run(["devices", "-o", "json"])).stdout), whole);
    t.same(parse((await cluster.run(["devices", "-o", "yaml"])).stdout), whole);
    t.notOk(cluster.forwarding());
    t.notMatch(cluster.kubectlCalls(), /tls\.key|keyswitch-agent-token.*write/);
    t.test("--agent and --server ask the agent", async (t) => {
      for (const choice of [
        ["--agent", "hsm"],
        ["--server", cluster.agent.url, "--token-file", cluster.agent.readTokenFile, "--server-name", "x"],
      ]) {
        const { stdout, stderr } = await cluster.run(["devices", ...choice]);
        t.match(stdout + stderr, /NODE +BUS|not trusted/);
      }
    });
    t.test("nodes that do not answer are told beside those that do", async (t) => {
      const down: Current = { ok: false, message: "there is no folder /host/sys/bus; is sysfs mounted?" };
      await cluster.addDiscoveryPod("keyswitch-discovery-c", "node-c", await discovery(t, cluster, down));
      await cluster.addDiscoveryPod("keyswitch-discovery-d", "node-d", "http://127.0.0.1:1", "Pending");
      await cluster.addDiscoveryPod("keyswitch-discovery-e", "node-e", "https://127.0.0.1:1");
      await cluster.addDiscoveryPod(
        "keyswitch-discovery-f",
        "node-f",
        await discovery(t, cluster, told(onA)),
      );
      const ran = await cluster.run(["devices"]);
      t.equal(ran.code, 6);
      t.match(ran.stdout, /^node-b +0001/m);
      const [c, d, e, f, ...more] = ran.stderr.split("\n");
      t.match(c, /^error: node-c: there is no folder \/host\/sys\/bus; is sysfs mounted\? \(NOT_READY\)$/);
      t.match(d, /^error: node-d: its pod keyswitch-discovery-d is not running \(Pending\)$/);
      t.match(e, /^error: node-e: discovery at https:\/\/127\.0\.0\.1:\d+ /);
      t.match(f, /^error: node-f: its discovery says that it is on node-a \(NODE_NAME\)$/);
      t.same(more, [""]);
      const { nodes, failures } = JSON.parse((await cluster.run(["devices", "-o", "json"])).stdout);
      t.equal(nodes.length, 2);
      t.match(failures[0], { node: "node-c", message: /is sysfs mounted/ });
    });
  });
});

t.test("where none answers, and where the credentials are missing", async (t) => {
  const cluster = await startCluster(t);
  await cluster.addDiscoveryPod("keyswitch-discovery-a", "node-a", "http://127.0.0.1:1", "Pending");
  t.match(await cluster.run(["devices"]), {
    code: 3,
    stderr: /Secret keyswitch\/keyswitch-discovery-(tls|token) is missing, or has no key /,
  });
  await cluster.credentials("--only", "discovery");
  t.match(await cluster.run(["devices"]), {
    code: 3,
    stderr: "error: node-a: its pod keyswitch-discovery-a is not running (Pending)\n",
  });
});
