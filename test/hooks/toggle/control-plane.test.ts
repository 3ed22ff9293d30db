// SPDX-License-Identifier: Apache-2.0
// Tests the Toggle hooks under the local control plane and kubectl: Deployments that are really adopted, scaled, kept and
// orphaned.
import t from "tap";
import { valueAt } from "../../../scripts/control-plane/api/json.ts";
import { on, scene, toggle } from "./control-plane-scene.ts";

t.test("off, on, off, off, on around 3 replicas, with restarts of the engine in between", async (t) => {
  const { apply, set, restart, replicas, status } = await scene(t);
  await apply(toggle("web"));
  t.match(await status("web"), { phase: "Running", availableReplicas: 3, lastReplicas: 3 });
  for (const [round, enabled] of [false, true, false, false, true].entries()) {
    // A reason makes a second "off" a change of the spec.
    await set("web", { enabled, reason: `round ${round}` });
    await restart();
    t.equal(await replicas("web"), enabled ? 3 : 0);
    t.match(await status("web"), { phase: enabled ? "Running" : "Off", lastReplicas: 3 });
  }
});

t.test(
  "restartAt changes the template once; kubectl's later restart stays, and so does the last one when it is taken out",
  async (t) => {
    const { apply, set, kubectl, settle, cluster, status } = await scene(t);
    const restarted = async () => {
      const { metadata, spec } = await cluster.read(["deployment", "web", "-n", "demo"]);
      const path = ["template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"];
      return { at: valueAt(spec, path), generation: valueAt(metadata, ["generation"]) };
    };
    await apply(toggle("web", on));
    await set("web", { restartAt: "2026-11-22T08:00:00Z" });
    const first = await restarted();
    t.equal(first.at, "2026-11-22T08:00:00Z");
    t.match(await status("web"), { phase: "Running", availableReplicas: 3 });
    await set("web", { reason: "a change of something else" });
    t.same(await restarted(), first);
    await kubectl("rollout", "restart", "deployment", "web");
    await settle();
    const second = await restarted();
    t.not(second.at, first.at);
    await set("web", { restartAt: null, reason: "taken out" });
    t.same(await restarted(), second);
    await set("web", { restartAt: "2001-01-01T00:00:00Z" });
    t.same(await restarted(), second, "a time before it restarts nothing");
  },
);

t.test("a Deployment that is at 0 on purpose stays there until somebody sets enabled", async (t) => {
  const { apply, set, kubectl, settle, replicas, status } = await scene(t);
  await kubectl("scale", "deployment", "web", "--replicas=0");
  await apply(toggle("web"));
  t.equal(await replicas("web"), 0);
  t.match(await status("web"), { phase: "Off", message: /not been switched yet/ });
  await kubectl("scale", "deployment", "web", "--replicas=2");
  await settle();
  t.equal(await replicas("web"), 2);
  await set("web", { enabled: false });
  t.equal(await replicas("web"), 0);
  await set("web", { enabled: true });
  t.equal(await replicas("web"), 2);
});

t.test("a count by hand is put back under Fixed and kept under Floor", async (t) => {
  const { apply, set, kubectl, settle, replicas } = await scene(t);
  await apply(toggle("web", on));
  await kubectl("scale", "deployment", "web", "--replicas=7");
  await settle();
  t.equal(await replicas("web"), 3);
  await set("web", { replicaPolicy: "Floor" });
  for (const count of [7, 2]) {
    await kubectl("scale", "deployment", "web", `--replicas=${count}`);
    await settle();
    t.equal(await replicas("web"), count);
    await set("web", { enabled: false });
    t.equal(await replicas("web"), 0);
    await set("web", { enabled: true });
    t.equal(await replicas("web"), count);
  }
});

t.test("a Deployment that was deleted and made anew is switched like the one before", async (t) => {
  const { apply, make, kubectl, settle, replicas, status } = await scene(t);
  await apply(toggle("web", { enabled: false }));
  t.match(await status("web"), { phase: "Off" });
  await kubectl("delete", "deployment", "web");
  await settle();
  t.match(await status("web"), { phase: "Missing", lastReplicas: 3 });
  for (const count of [0, 5]) {
    await make("web", count);
    await settle();
    t.equal(await replicas("web"), 0);
    t.match(await status("web"), { phase: "Off", lastReplicas: 3 });
    await kubectl("delete", "deployment", "web");
    await settle();
  }
});

t.test("of two Toggles on one Deployment one wins, and the other follows when it is gone", async (t) => {
  const { apply, kubectl, settle, replicas, status } = await scene(t);
  await apply(toggle("web"));
  await apply(toggle("second", { deploymentName: "web", enabled: false }));
  t.match(await status("second"), { phase: "Conflict", message: /belongs to Toggle web/ });
  t.equal(await replicas("web"), 3);
  await kubectl("delete", "toggle", "web", "--cascade=orphan", "--timeout=60s");
  await settle();
  t.match(await status("second"), { phase: "Off", lastReplicas: 3 });
  t.equal(await replicas("web"), 0);
});

t.test(
  "another Deployment that the selector matches is kept, through deletionPolicy Delete as well",
  async (t) => {
    const { hook, apply, make, kubectl, settle, set, replicas, status } = await scene(t);
    await make("second", 2);
    await kubectl("label", "deployment", "second", "app=web", "--overwrite");
    await apply(toggle("web", { enabled: false, deletionPolicy: "Delete" }));
    t.equal(await replicas("second"), 2);
    await kubectl("scale", "deployment", "second", "--replicas=4");
    await settle();
    await set("web", { enabled: true });
    t.equal(await replicas("second"), 4);
    await kubectl("delete", "toggle", "web", "--wait=false");
    await settle();
    t.match(await status("web"), { phase: "Blocked", message: /second.*--cascade=orphan$/ });
    await kubectl("label", "deployment", "second", "app=other", "--overwrite");
    await settle();
    t.match(await status("web"), { phase: "Blocked" }, "hidden by its label, it is protected still");
    const calls = hook.requests.length;
    await settle();
    t.equal(hook.requests.length, calls, "and the blocked Toggle makes no hot loop");
    await kubectl("delete", "toggle", "web", "--cascade=orphan", "--timeout=60s");
    await settle();
    t.same([await replicas("web"), await replicas("second")], [3, 4]);
  },
);

t.test("a Deployment that the Toggle made follows its template, comes back and goes with it", async (t) => {
  const { cluster, apply, set, kubectl, settle, status } = await scene(t);
  const template = (image: string) => ({ spec: { containers: [{ name: "x", image }] } });
  await apply(
    toggle("job", { selector: { matchLabels: { app: "job" } }, replicas: 2, template: template("a") }),
  );
  t.match(await status("job"), { phase: "Running", availableReplicas: 2 });
  await set("job", { template: template("b"), enabled: false });
  const image = async () =>
    valueAt(await cluster.read(["deployment", "job", "-n", "demo"]), [
      "spec",
      "template",
      "spec",
      "containers",
    ]);
  t.match(await image(), [{ image: "b" }]);
  await kubectl("delete", "deployment", "job");
  await settle();
  t.match(await status("job"), { phase: "Off" });
  await kubectl("delete", "toggle", "job", "--timeout=60s");
  await settle();
  t.equal(await kubectl("get", "deployments", "-o", "name"), "deployment.apps/web\n");
});

t.test("one that the Toggle made stays as it is once templates are not allowed any more", async (t) => {
  const { cluster, installation, apply, set, kubectl, settle, status } = await scene(t);
  const template = (image: string) => ({ spec: { containers: [{ name: "x", image }] } });
  const job = (name: string) =>
    toggle(name, { selector: { matchLabels: { app: name } }, replicas: 2, template: template("a") });
  await apply(job("job"));
  const spec = async () => valueAt(await cluster.read(["deployment", "job", "-n", "demo"]), ["spec"]);
  const before = await spec();
  installation.templates = false;
  await set("job", { template: template("b"), enabled: false });
  t.match(await status("job"), { phase: "Blocked", desiredReplicas: 0, availableReplicas: 2 });
  t.same(await spec(), before, "neither switched nor given the new pods");
  await apply(job("another"));
  t.match(await status("another"), { phase: "Blocked" });
  t.equal(await kubectl("get", "deployment", "another", "--ignore-not-found", "-o", "name"), "");
  await set("job", { template: null });
  t.match(await status("job"), { phase: "Off" }, "without a template it is switched");
  await kubectl("delete", "toggle", "job", "--timeout=60s");
  await settle();
  t.equal(await kubectl("get", "deployments", "-o", "name"), "deployment.apps/web\n", "and goes with it");
});

t.test("one that was orphaned is the next Toggle's to switch, and is not deleted with it", async (t) => {
  const { apply, set, kubectl, settle, status, replicas } = await scene(t);
  const template = { spec: { containers: [{ name: "x", image: "a" }] } };
  const job = toggle("job", { selector: { matchLabels: { app: "job" } }, replicas: 2, template });
  await apply(job);
  await kubectl("delete", "toggle", "job", "--cascade=orphan", "--timeout=60s");
  await settle();
  await apply(job);
  await set("job", { template: null, enabled: false });
  t.match(await status("job"), { phase: "Off" });
  await kubectl("delete", "toggle", "job", "--wait=false");
  await settle();
  t.match(await status("job"), { phase: "Blocked" });
  t.equal(await replicas("job"), 0);
});

t.test(
  "a schedule decides, the API server's record tells who overrides it, and a wrong one switches nothing",
  async (t) => {
    const { apply, set, kubectl, settle, replicas, status } = await scene(t);
    const schedule = (timeZone: string) => ({ schedule: [{ timeZone, on: ["Mon-Sun"] }] });
    await apply(toggle("web", schedule("Europe/Berlin")));
    t.match(await status("web"), { phase: "Running", decidedBy: "Schedule" });
    await set("web", { enabled: false });
    t.match(await status("web"), { phase: "Off", decidedBy: "Spec", switched: { by: "Spec" } });
    const command = JSON.stringify({ spec: { enabled: true } });
    await kubectl("patch", "toggle", "web", "--type=merge", "--field-manager=keyswitch-bot", "-p", command);
    await settle();
    t.match(await status("web"), { phase: "Running", decidedBy: "Command", switched: { by: "Command" } });
    await set("web", { enabled: false, ...schedule("Europe/Berln") });
    t.match(await status("web"), {
      phase: "Blocked",
      message: /^spec\.schedule\[0\]\.timeZone: "Europe\/Berln"/,
    });
    t.equal(await replicas("web"), 3);
  },
);
