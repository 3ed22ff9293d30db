// SPDX-License-Identifier: Apache-2.0
// Tests Toggles for StatefulSets under the local control plane: adopted, switched, restarted, waited for, and let go.
import t from "tap";
import { valueAt } from "../../../scripts/control-plane/api/json.ts";
import { on, scene, toggle } from "./control-plane-scene.ts";

const statefulSet = (name: string, replicas: number) => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name, namespace: "demo", labels: { app: name } },
  spec: {
    replicas,
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: "x", image: "x:1" }] },
    },
  },
});

t.test("a StatefulSet is switched and waited for as a Deployment is", async (t) => {
  const { cluster, hook, apply, set, settle, kubectl, status, replicas } = await scene(t);
  const read = () => cluster.read(["statefulset", "db", "-n", "demo"]);
  /** Its controller brings it to its count. */
  const rollOut = async () => {
    const { metadata, spec } = await read();
    const count = valueAt(spec, ["replicas"]) ?? 0;
    const counts = {
      replicas: count,
      readyReplicas: count,
      availableReplicas: count,
      updatedReplicas: count,
    };
    const patch = { status: { observedGeneration: valueAt(metadata, ["generation"]) ?? 0, ...counts } };
    await kubectl(
      "patch",
      "statefulset",
      "db",
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify(patch),
    );
    await settle();
  };
  await cluster.apply(statefulSet("db", 2));
  await rollOut();
  const spec = { selector: { matchLabels: { app: "db" } }, targetRef: { kind: "StatefulSet", name: "db" } };
  await apply(toggle("db", { ...spec, ...on }), toggle("web", { ...on, dependsOn: ["db"] }));
  t.match([await status("db"), await status("web")], [{ phase: "Running" }, { phase: "Running" }]);
  await set("db", { enabled: false });
  t.match(await status("db"), { phase: "Stopping", waitingFor: ["web"] });
  await set("web", { enabled: false });
  t.equal(valueAt((await read()).spec, ["replicas"]), 0);
  t.match(await status("db"), { phase: "Stopping", deploymentName: "statefulset/db", lastReplicas: 2 });
  await rollOut();
  t.match(await status("db"), { phase: "Off" });
  await set("web", on);
  t.match(await status("web"), { phase: "Starting", waitingFor: ["db"] });
  await set("db", { ...on, restartAt: "2026-11-22T08:00:00Z" });
  t.equal(await replicas("web"), 0);
  await rollOut();
  t.match([await status("db"), await status("web")], [{ phase: "Running" }, { phase: "Running" }]);
  t.match((await read()).spec, {
    replicas: 2,
    template: { metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": "2026-11-22T08:00:00Z" } } },
  });
  const calls = hook.requests.length;
  await settle();
  t.equal(hook.requests.length, calls, "and rests");
  await kubectl("delete", "toggle", "db", "--cascade=orphan", "--timeout=60s");
  await settle();
  t.notMatch((await read()).metadata, { ownerReferences: [{}] });
});
