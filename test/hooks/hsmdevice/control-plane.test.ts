// SPDX-License-Identifier: Apache-2.0
// Tests that an API server takes what the HSMDevice hooks answer, the example of the document, and the status, as kubectl shows it.
import { readFileSync } from "node:fs";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { parse, parseAllDocuments } from "yaml";
import {
  customize,
  HSMDeviceCustomizeRequest,
  HSMDeviceSyncRequest,
  type NodeReport,
} from "../../../hooks/hsmdevice/index.ts";
import { startDeploymentController } from "../../../scripts/control-plane/engine/deployment-controller.ts";
import { runServer } from "../../../scripts/control-plane/test/api/running-server.ts";
import { controller, namespace, startCluster } from "../../../scripts/control-plane/test/engine/cluster.ts";
import { type Answer, startHookServer } from "../../../scripts/control-plane/test/engine/hook-server.ts";
import { CRDS } from "../../../scripts/crd.ts";
import { finalize, sync } from "./hooks.ts";
import { SetWorld } from "./set-world.ts";
import { pico, World } from "./world.ts";

const APPLY = "apply --server-side --validate=strict -f -";
const documentation = readFileSync(new URL("../../../docs/hsmdevice.md", import.meta.url), "utf8");

t.test("children, example and status", async (t) => {
  const server = await runServer(t);
  const apply = async (...items: unknown[]) => {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const { code, stderr } = await server.kubectl(APPLY, { input: list });
    t.equal(code, 0, stderr);
  };
  const [, example = ""] = /```yaml\n(apiVersion: hsm[^`]+)```/.exec(documentation) ?? [];
  t.equal(parseAllDocuments(example).length, 1);
  const device = parse(example);
  await apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "keyswitch" } },
    CRDS["hsmdevice/hsmdevices.yaml"],
  );
  await apply(device);

  const world = new World({ a: [pico("A")], b: [pico("B")] });
  world.spec = device.spec;
  world.run(20);
  t.equal(world.children.length, 4);
  await apply(...world.children);
  world.plugins = new Set(["a", "b"]);
  await apply(...world.run(20).children);
  const requests = await server.kubectl("get deployments -n keyswitch -o yaml");
  t.equal(requests.stdout.match(/hsm\.j5t\.io\/picohsm-[ab]: "1"/g)?.length, 4, "requests and limits");

  const path = "/apis/hsm.j5t.io/v1alpha1/namespaces/keyswitch/hsmdevices/pico";
  const takes = async (given: unknown) => {
    const status = JSON.parse(JSON.stringify(given));
    const { code, body } = await server.call("PUT", `${path}/status`, {
      ...(await server.read(path)),
      status,
    });
    t.equal(code, 200, JSON.stringify(body));
    t.strictSame(body.status, status, "nothing of it is dropped");
  };
  await takes(world.status);
  const shown = await server.kubectl("get hsmdev -n keyswitch");
  t.match(shown.stdout, /NAME +TYPE +PHASE +DEVICES +PRIMARY +MIRRORED +AGE\npico +PicoHSM +Ready +2\/2 /);

  const set = new SetWorld({ policy: "Active", acknowledge: "Mirror", primaryNode: "a" }).run(60);
  await apply({ ...device, spec: set.spec });
  await apply(...set.children);
  set.mirroring = { policy: "Active", acknowledge: "Mirror", primaryNode: "b" };
  set.run(10);
  t.match(set.found, { handover: { to: "B" }, inSync: ["B"] });
  await takes({ ...set.status, unreachableSince: set.now, failoverCount: 2 });
  const mirrored = await server.kubectl("get hsmdev -n keyswitch");
  t.match(mirrored.stdout, /\npico +PicoHSM +Ready +2\/2 +A +True /);
});

const CHILDREN = [
  { apiVersion: "apps/v1", resource: "deployments" },
  { apiVersion: "v1", resource: "services" },
  { apiVersion: "networking.k8s.io/v1", resource: "networkpolicies" },
].map((child) => ({ ...child, updateStrategy: { method: "InPlace" } }));

/** Discovery's pod on node a, as its kubelet reports it. */
const discoveryPod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "discovery-a",
    namespace: "demo",
    labels: { "app.kubernetes.io/name": "keyswitch-discovery" },
  },
  spec: { nodeName: "a", containers: [{ name: "discovery", image: "keyswitch:0.1.0" }] },
};
const ready = { status: { podIP: "10.0.0.1", conditions: [{ type: "Ready", status: "True" }] } };

t.test("under the engine agents come, stay without discovery, and go with their HSMDevice", async (t) => {
  let reports: NodeReport[] = [{ node: "a", plugin: false, devices: [pico("A")], paths: [] }];
  const hooks: Answer = ({ path, body }) => {
    const now = new Date().toISOString();
    if (Value.Check(HSMDeviceSyncRequest, body)) {
      const { response } = path.endsWith("finalize") ? finalize(body, now) : sync(body, reports, now);
      return { body: response };
    }
    if (Value.Check(HSMDeviceCustomizeRequest, body)) return { body: customize(body.parent) };
    return { status: 400 };
  };
  const cluster = await startCluster(t);
  const hook = await startHookServer(hooks);
  const deployments = startDeploymentController({ apiUrl: cluster.apiUrl, readyAfterMs: 20 });
  t.teardown(deployments.close);
  t.teardown(hook.close);
  await cluster.apply(
    namespace("demo"),
    JSON.parse(JSON.stringify(CRDS["hsmdevice/hsmdevices.yaml"])),
    controller({
      name: "hsmdevice",
      hook,
      path: "hsmdevice",
      hooks: ["customize", "sync", "finalize"],
      parent: { apiVersion: "hsm.j5t.io/v1alpha1", resource: "hsmdevices", ignoreStatusChanges: true },
      child: { apiVersion: "apps/v1", resource: "deployments" },
      spec: { generateSelector: true, childResources: CHILDREN },
    }),
    { apiVersion: "v1", kind: "Node", metadata: { name: "a" } },
    discoveryPod,
  );
  const kubectl = (...args: string[]) => cluster.kubectl([...args, "-n", "demo"]);
  await kubectl("patch", "pod", "discovery-a", "--subresource=status", "-p", JSON.stringify(ready));
  const engine = await cluster.engine();
  const settle = async () => {
    await engine.idle();
    await deployments.settled();
    await engine.idle();
  };
  const touch = async (maxDevices: number) => {
    await kubectl(
      "patch",
      "hsmdevice",
      "hsm",
      "--type=merge",
      "-p",
      JSON.stringify({ spec: { maxDevices } }),
    );
    await settle();
  };
  const device = {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMDevice",
    metadata: { name: "hsm", namespace: "demo" },
  };
  await cluster.apply({ ...device, spec: { deviceType: "PicoHSM", pkcs11: { pinSecret: { name: "pin" } } } });
  await settle();
  const status = async () => (await cluster.read(["hsmdevice", "hsm", "-n", "demo"])).status;
  const names = async () =>
    String(await kubectl("get", "deployments,services,networkpolicies", "-o", "name"));
  t.match(await status(), { phase: "Ready", devices: "1/1" });
  const made = await names();
  t.match(
    made,
    /deployment.apps\/hsm-a-[0-9a-f]+\nservice\/hsm-hsm\nnetworkpolicy.networking.k8s.io\/hsm-hsm/,
  );

  reports = [];
  await kubectl("delete", "pod", "discovery-a");
  await touch(9);
  t.equal(await names(), made);
  t.match(await status(), { phase: "Ready", message: /No report of discovery from a/ });

  await kubectl("delete", "hsmdevice", "hsm", "--wait=false");
  await settle();
  t.equal((await names()).trim(), "");
  t.equal(String(await kubectl("get", "hsmdevices", "-o", "name")).trim(), "");
});
