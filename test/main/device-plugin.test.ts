// SPDX-License-Identifier: Apache-2.0
// Tests discovery as the kubelet's device plugin: a real process and a kubelet played by the test, over the sockets between them.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { Value } from "@sinclair/typebox/value";
import t, { type Test } from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { DiscoveryBody } from "../../server/discovery-api/schema.ts";
import { Kubelet } from "../doubles/kubelet/kubelet.ts";
import { startProcess } from "./process-under-test.ts";

/** docs/discovery.md has 5 for a plug, an unplug and a kubelet that starts; this machine may be busy. Below a whole rescan. */
const SECONDS = 25;
const PICO = "hsm.j5t.io/picohsm-e66";

type Given = { kubelet?: boolean; folder?: boolean };

/** Discovery on a node; `kubelet: false` has its kubelet not run yet. */
const start = async (t: Test, plug: (tree: SysfsTree) => void, given: Given = {}) => {
  const root = t.testdir({});
  // A short path: that of a socket has 107 bytes at most.
  const folder = mkdtempSync(join(tmpdir(), "kubelet-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  if (given.folder === false) rmSync(folder, { recursive: true });
  const kubelet = new Kubelet(folder);
  t.teardown(() => kubelet.stop());
  if (given.kubelet !== false) await kubelet.start();
  const tree = new SysfsTree(join(root, "sys"));
  plug(tree);
  const process = startProcess(t, "discovery", {
    LISTEN_PORT: "0",
    NODE_NAME: "node-a",
    SYSFS_ROOT: tree.root,
    DEVICE_PLUGIN_DIR: folder,
    CCID_READER_LIST: join(root, "none"),
  });
  const address = await process.address();
  const ready = async () => (await fetch(`${address}/readyz`)).json();
  const report = async () => {
    const body: unknown = await (await fetch(`${address}/v1/devices`)).json();
    if (!Value.Check(DiscoveryBody, body)) throw new Error(JSON.stringify(body));
    return body;
  };
  const soon = (what: string, check: () => boolean) =>
    eventually(what, async () => check(), {
      seconds: SECONDS,
      seen: () => JSON.stringify([...kubelet.known.keys()]),
    });
  const isWatched = (resource: string) =>
    soon(`${resource} is watched`, () => kubelet.health(resource) !== undefined);
  return { process, address, tree, folder, kubelet, ready, report, soon, isWatched };
};

const pathOf = (number: number) => `/dev/bus/usb/001/${String(number).padStart(3, "0")}`;

t.test("each HSM is a resource of its own; what is none, or shares its id, is not offered", async (t) => {
  const { kubelet, report, soon, folder } = await start(t, (tree) => {
    tree.plug("1-1", { serial: "e66" });
    tree.plug("1-2", { vendorId: "04e6", productId: "5816", serial: "DENK 01" });
    tree.plug("1-3", { vendorId: "046d", productId: "c31c", serial: "keyboard" });
    tree.plug("1-4", { serial: "twin" });
    tree.plug("1-5", { serial: "twin" });
    tree.plug("1-6", {});
  });
  await soon("three resources", () => kubelet.known.size === 3);
  const { plugin, devices } = await report();
  t.equal(plugin, true);
  t.match(
    devices.map(({ resource }) => resource),
    [
      PICO,
      /^hsm\.j5t\.io\/smartcard-hsm-denk-01-[0-9a-f]{20}$/,
      null,
      null,
      null,
      "hsm.j5t.io/picohsm-node-a.1-6",
    ],
  );
  t.same(
    [...kubelet.known.keys()].sort(),
    devices.flatMap(({ resource }) => resource ?? []).sort(),
    "what is reported is what is registered",
  );
  const endpoints = [...kubelet.known.values()].map(({ endpoint }) => endpoint);
  t.same(readdirSync(folder).sort(), [...endpoints, "kubelet.sock"].sort(), "a socket for each");
  for (const resource of kubelet.known.keys()) {
    await soon("a first list", () => kubelet.health(resource) === "Healthy");
    t.same(kubelet.of(resource).lists, [
      [{ id: resource.slice("hsm.j5t.io/".length), health: "Healthy", topology: Buffer.alloc(0) }],
    ]);
    t.same(await kubelet.call(resource, "GetDevicePluginOptions"), { preStart: false, preferred: false });
  }
});

t.test("an allocation injects the one device node, for each container that asks", async (t) => {
  let number = 0;
  const { kubelet, isWatched } = await start(t, (tree) => {
    number = tree.plug("1-1", { serial: "e66" });
    tree.plug("1-2", { serial: "e77" });
  });
  await isWatched(PICO);
  const node = { container: pathOf(number), host: pathOf(number), permissions: "rw" };
  const nothingElse = { envs: [], mounts: [], annotations: [], cdi: [] };
  t.same(await kubelet.allocate(PICO, ["picohsm-e66"]), [{ devices: [node], ...nothingElse }]);
  t.same(await kubelet.allocate(PICO, [], ["picohsm-e66"]), [
    { devices: [], ...nothingElse },
    { devices: [node], ...nothingElse },
  ]);
  const other = { code: status.NOT_FOUND, details: /there is no device "picohsm-e77"/ };
  await t.rejects(kubelet.allocate(PICO, ["picohsm-e77"]), other);
  await t.rejects(kubelet.allocate(PICO, ["picohsm-e66", "picohsm-e77"]), other);
  t.same(await kubelet.call(PICO, "PreStartContainer", { ids: ["picohsm-e66"] }), {});
  const choices = [
    { available: ["picohsm-e66"], included: [], size: 1 },
    { available: ["a", "b", "c"], included: ["c"], size: 2 },
    { available: ["a"], included: [], size: 0 },
  ];
  t.same(await kubelet.call(PICO, "GetPreferredAllocation", { containers: choices }), {
    containers: [{ ids: ["picohsm-e66"] }, { ids: ["c", "a"] }, { ids: [] }],
  });
});

t.test("an unplug and a plug are told at once, and nothing while nothing changes", async (t) => {
  const { kubelet, tree, isWatched, soon, report } = await start(t, (one) =>
    one.plug("1-1", { serial: "e66" }),
  );
  await isWatched(PICO);
  const health = () => kubelet.of(PICO).lists.map(([device]) => device?.health);
  await sleep(4500); // more than two looks
  t.same(health(), ["Healthy"]);
  tree.unplug("1-1");
  await soon("the unplug", () => kubelet.health(PICO) === "Unhealthy");
  await t.rejects(kubelet.allocate(PICO, ["picohsm-e66"]), {
    code: status.UNAVAILABLE,
    details: /is unplugged/,
  });
  const number = tree.plug("1-4", { serial: "e66" });
  await soon("the plug", () => kubelet.health(PICO) === "Healthy");
  t.match(await kubelet.allocate(PICO, ["picohsm-e66"]), [{ devices: [{ host: pathOf(number) }] }]);
  tree.unplug("1-4");
  const next = tree.plug("1-4", { serial: "e66" });
  await eventually(
    "the plug between two looks",
    async () => (await report()).devices[0]?.deviceNumber === next,
    {
      seconds: SECONDS,
    },
  );
  t.match(await kubelet.allocate(PICO, ["picohsm-e66"]), [{ devices: [{ host: pathOf(next) }] }]);
  await sleep(4500);
  t.same(health(), ["Healthy", "Unhealthy", "Healthy"]);
  t.equal(kubelet.of(PICO).registrations, 1, "it is the same resource");
  t.same([...kubelet.known.keys()], [PICO]);
});

t.test("a second device of the same serial number takes both away", async (t) => {
  const { kubelet, tree, isWatched, soon } = await start(t, (one) => one.plug("1-1", { serial: "e66" }));
  await isWatched(PICO);
  tree.plug("1-2", { serial: "e66" });
  await soon("the fault", () => kubelet.health(PICO) === "Unhealthy");
  await t.rejects(kubelet.allocate(PICO, ["picohsm-e66"]), { code: status.UNAVAILABLE });
});

t.test("a kubelet that starts anew, and has deleted the sockets, gets every resource again", async (t) => {
  const { kubelet, tree, isWatched, soon, ready } = await start(t, (one) => {
    one.plug("1-1", { serial: "e66" });
    one.plug("1-2", { serial: "e77" });
  });
  const second = "hsm.j5t.io/picohsm-e77";
  for (const restart of [1, 2]) {
    await Promise.all([isWatched(PICO), isWatched(second)]);
    kubelet.stop();
    await kubelet.start();
    await soon(
      `restart ${restart}`,
      () => kubelet.health(PICO) === "Healthy" && kubelet.health(second) === "Healthy",
    );
    t.equal((await kubelet.allocate(PICO, ["picohsm-e66"]))[0]?.devices.length, 1);
  }
  await Promise.all([isWatched(PICO), isWatched(second)]);
  kubelet.stop();
  await kubelet.start({ deletes: false });
  await soon("a start that left the sockets", () => kubelet.known.size === 2);
  tree.unplug("1-1");
  await soon("the unplug", () => kubelet.health(PICO) === "Unhealthy");
  kubelet.stop();
  await kubelet.start();
  await soon("a device that is gone is told to be", () => kubelet.health(PICO) === "Unhealthy");
  t.match(await ready(), { status: "ready" });
});

t.test("sockets that somebody deleted, and a kubelet that stopped watching, are found", async (t) => {
  const { kubelet, folder, isWatched, soon } = await start(t, (one) => one.plug("1-1", { serial: "e66" }));
  await isWatched(PICO);
  rmSync(join(folder, kubelet.of(PICO).endpoint));
  await soon("a second registration", () => kubelet.of(PICO).registrations === 2);
  await isWatched(PICO);
  kubelet.of(PICO).watch.cancel();
  await eventually("a third registration", async () => kubelet.of(PICO).registrations === 3);
  await isWatched(PICO);
});

t.test("it waits for a kubelet, and for one that refuses, and says so without a device's name", async (t) => {
  const { process, kubelet, ready, isWatched } = await start(t, (one) => one.plug("1-1", { serial: "e66" }), {
    kubelet: false,
  });
  const plugin = async () => JSON.stringify(await ready());
  await process.logged(/^there is no kubelet.sock in /);
  t.match(await plugin(), /"status":"ready".*there is no kubelet.sock in /);
  kubelet.refuses = true;
  await kubelet.start();
  const { resource } = await process.logged(/can't be registered at the kubelet: .*refuses/);
  t.equal(resource, PICO);
  t.match(await plugin(), /"status":"ready".*can't be registered at the kubelet/);
  kubelet.refuses = false;
  await isWatched(PICO);
  await eventually("all is well", async () => !(await plugin()).includes("kubelet"));
});

t.test("a socket that can't be made is told and tried again", async (t) => {
  const { process, kubelet, folder, isWatched, soon } = await start(t, (one) => {
    one.plug("1-1", { serial: "e66" });
  });
  await isWatched(PICO);
  const socket = join(folder, kubelet.of(PICO).endpoint);
  rmSync(socket);
  mkdirSync(socket);
  await process.logged(/^a resource can't be registered at the kubelet: /);
  rmdirSync(socket);
  await soon("a second registration", () => kubelet.of(PICO).registrations === 2);
  process.child.kill("SIGTERM");
  t.match(await process.ended, { code: 0, stderr: "" });
});

t.test("a signal ends what the kubelet watches, and the sockets", async (t) => {
  const { process, kubelet, folder, isWatched, soon } = await start(t, (one) =>
    one.plug("1-1", { serial: "e66" }),
  );
  await isWatched(PICO);
  process.child.kill("SIGTERM");
  await soon("the end", () => !kubelet.of(PICO).isWatched);
  t.match(await process.ended, { code: 0, stderr: "" });
  t.same(readdirSync(folder), ["kubelet.sock"]);
});

t.test("the next discovery takes the place of one that was killed", async (t) => {
  const first = await start(t, (one) => one.plug("1-1", { serial: "e66" }));
  await first.isWatched(PICO);
  first.process.child.kill("SIGKILL");
  await first.process.ended;
  t.ok(existsSync(join(first.folder, first.kubelet.of(PICO).endpoint)), "its socket is left");
  first.kubelet.known.clear();
  startProcess(t, "discovery", {
    LISTEN_PORT: "0",
    NODE_NAME: "node-a",
    SYSFS_ROOT: first.tree.root,
    DEVICE_PLUGIN_DIR: first.folder,
  });
  await first.isWatched(PICO);
});

t.test("without the folder nothing is offered, which agents of HSMDevices wait for", async (t) => {
  const { process, report, ready } = await start(t, (one) => one.plug("1-1", { serial: "e66" }), {
    kubelet: false,
    folder: false,
  });
  await process.logged(/there is no folder .* \(DEVICE_PLUGIN_DIR\)/);
  t.match(await report(), { plugin: true, devices: [{ resource: PICO }] });
  t.match(JSON.stringify(await ready()), /"status":"ready".*DEVICE_PLUGIN_DIR/);
});
