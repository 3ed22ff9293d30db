// SPDX-License-Identifier: Apache-2.0
// Tests under the local control plane that the pods of a Toggle's Deployment reach the hook, and that what they say reaches the
// status.
import t from "tap";
import { valueAt } from "../../../scripts/control-plane/api/json.ts";
import { scene, toggle } from "./control-plane-scene.ts";
import { pod, waiting } from "./pods.ts";

const replicaSet = (hash: string) => {
  const labels = { app: "web", "pod-template-hash": hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: `web-${hash}`, namespace: "demo", labels },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "x" }] } },
    },
  };
};

t.test("a pod that can't pull its image is told, once, and no longer than it is there", async (t) => {
  const { apply, cluster, kubectl, settle, status, hook } = await scene(t, { readyAfterMs: "never" });
  await apply(toggle("web", { enabled: true }));
  t.match(await status("web"), { phase: "Starting", problem: undefined });
  // The garbage collector leaves a pod alone whose ReplicaSet there is, and the Deployment says which is its newest.
  const { status: reported } = await cluster.read(["deployment", "web", "-n", "demo"]);
  const hash = /ReplicaSet \\"web-([a-z0-9]+)\\"/.exec(JSON.stringify(reported))?.[1] ?? "";
  const set = replicaSet(hash);
  await apply(set);
  const { metadata } = await cluster.read(["replicaset", set.metadata.name, "-n", "demo"]);
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: set.metadata.name, controller: true };
  const { status: told, ...made } = pod({
    hash,
    state: waiting("ImagePullBackOff"),
    metadata: {
      ownerReferences: [{ ...owner, uid: valueAt(metadata, ["uid"]) }],
      creationTimestamp: undefined,
    },
  });
  await apply(made);
  const change = JSON.stringify({ status: told });
  await kubectl("patch", "pod", "web-b-x", "--subresource=status", "--type=merge", "-p", change);
  await settle();
  const problem = /^ImagePullBackOff: the image registry\.example:5000\/shop\/web:2\.1 of the container app/;
  t.match(await status("web"), { phase: "Starting", problem });
  const { length } = hook.requests;
  await settle();
  t.equal(hook.requests.length, length, "and then it rests");
  await kubectl("delete", "pod", "web-b-x");
  await settle();
  t.match(await status("web"), { phase: "Starting", problem: undefined });
});
