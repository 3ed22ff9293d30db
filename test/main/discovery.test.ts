// SPDX-License-Identifier: Apache-2.0
// Tests discovery as a real process: plug and unplug within 5 s, entity tags, credentials, and its end by a signal.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import t, { type Test } from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { SysfsTree } from "../../scripts/local/sysfs-tree.ts";
import { DiscoveryBody } from "../../server/discovery-api/schema.ts";
import { startProcess } from "./process-under-test.ts";

/** docs/discovery.md has 5; this machine may be busy. Below a whole rescan. */
const SECONDS = 25;

const start = async (t: Test) => {
  const token = randomBytes(24).toString("base64url");
  const root = t.testdir({ token, dev: {} });
  const tree = new SysfsTree(join(root, "sys"));
  const process = startProcess(t, "discovery", {
    LISTEN_PORT: "0",
    NODE_NAME: "node-a",
    READ_TOKEN_FILE: join(root, "token"),
    SYSFS_ROOT: tree.root,
    DEV_ROOT: join(root, "dev"),
    CCID_READER_LIST: join(root, "none"),
  });
  const address = await process.address();
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${address}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
  const devices = async () => {
    const body: unknown = await (await get("/v1/devices")).json();
    if (!Value.Check(DiscoveryBody, body)) throw new Error(JSON.stringify(body));
    return body.devices;
  };
  const shows = (what: string, fits: (found: Awaited<ReturnType<typeof devices>>) => boolean) =>
    eventually(what, async () => fits(await devices()), { seconds: SECONDS });
  return { process, address, tree, get, devices, shows };
};

t.test("plug, a second device of the same serial number, and unplug show by the next looks", async (t) => {
  const { process, tree, devices, shows } = await start(t);
  t.same(await devices(), []);
  tree.plug("1-2", { serial: "E66" });
  await shows("the plug", ([one]) => one?.id === "E66" && one.fault === null);
  tree.plug("1-3", { serial: "E66" });
  await shows(
    "both faults",
    (all) => all.length === 2 && all.every(({ fault }) => fault === "duplicate serial"),
  );
  tree.unplug("1-2");
  await shows("the unplug", (all) => all.length === 1 && all[0]?.port === "1-3" && all[0].fault === null);
  tree.unplug("1-3");
  const number = tree.plug("1-3", { serial: "E66" });
  await shows("the plug at the same port", ([one]) => one?.deviceNumber === number);
  t.match(
    process.lines.filter(({ level }) => level === "warn").map(({ msg }) => msg),
    [/none of .* can be read \(CCID_READER_LIST\)/, "a device is there", "a device is there"],
    "a missing list is told once",
  );
});

t.test("two readings with nothing changed are byte-identical, and the second may be a 304", async (t) => {
  const { tree, get, shows } = await start(t);
  tree.plug("1-2", { serial: "E66" });
  await shows("the plug", (all) => all.length === 1);
  const first = await get("/v1/devices");
  const text = await first.text();
  const etag = first.headers.get("etag") ?? "";
  t.match(etag, /^"sha256:[0-9a-f]{64}"$/);
  const second = await get("/v1/devices");
  t.equal(await second.text(), text);
  t.equal(second.headers.get("etag"), etag);
  for (const tags of [etag, `"x", W/${etag}`, "*"]) {
    const unchanged = await get("/v1/devices", { "if-none-match": tags });
    t.equal(unchanged.status, 304, tags);
    t.equal(await unchanged.text(), "");
    t.equal(unchanged.headers.get("etag"), etag);
  }
  t.equal((await get("/v1/devices", { "if-none-match": '"x"' })).status, 200);
});

t.test("only who has the token is told; probes are open", async (t) => {
  const { process, address, get } = await start(t);
  for (const path of ["/v1/devices", "/metrics"]) {
    t.equal((await fetch(`${address}${path}`)).status, 401, path);
    t.equal((await get(path)).status, 200, path);
  }
  for (const path of ["/healthz", "/readyz"]) t.equal((await fetch(`${address}${path}`)).status, 200, path);
  t.match(await (await get("/metrics")).text(), /keyswitch_discovery_devices\{type="PicoHSM"\} 0/);
  process.child.kill("SIGTERM");
  t.match(await process.ended, { code: 0, stderr: "" });
});

t.test("where sysfs is not mounted it starts and is not ready, and tells no list", async (t) => {
  const root = t.testdir({});
  const process = startProcess(t, "discovery", { LISTEN_PORT: "0", NODE_NAME: "node-a", SYSFS_ROOT: root });
  const address = await process.address();
  const refused = await fetch(`${address}/v1/devices`);
  t.equal(refused.status, 503);
  t.equal(refused.headers.get("retry-after"), "2");
  t.match(await refused.json(), { code: "NOT_READY", message: /is sysfs mounted at SYSFS_ROOT\?/ });
  t.equal((await fetch(`${address}/readyz`)).status, 503);
  t.equal((await fetch(`${address}/healthz`)).status, 200);
  process.child.kill("SIGINT");
  t.match(await process.ended, { code: 0 });
});
