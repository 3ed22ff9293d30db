// SPDX-License-Identifier: Apache-2.0
// Tests spec.dependsOn in the hooks: who waits for whom, what is said of it, and which labels link the two.
import t from "tap";
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { customize } from "../../../hooks/toggle/index.ts";
import { DEPENDS_ON_WEB, dependencyRows, dependent, its, off, onDb, STOPPING } from "./dependency-rows.ts";
import { finalize, sync } from "./hooks.ts";
import { context, deployment, later, type RequestParts, request } from "./request.ts";

interface Answered {
  readonly metadata: { readonly name: string; readonly labels: StringMap; readonly annotations?: StringMap };
  readonly spec: { readonly replicas: number };
}

const answer = (parts: RequestParts, when = context) => {
  const { response, events } = sync(request(parts), when);
  const [child, ...others] = response.children as unknown as Answered[];
  return { response, events, child, others, status: response.status ?? {} };
};

for (const row of dependencyRows) {
  t.test(row.name, async (t) => {
    const { child, status } = answer(row.given);
    t.equal(child?.spec.replicas, row.replicas);
    t.match(status, row.status);
    t.equal("waitingFor" in status, row.status.waitingFor !== undefined);
    // What is asked to be looked at again comes nearer as time passes.
    const written = (parts: RequestParts, when = context) => {
      const { response, events } = answer(parts, when);
      return { events, text: JSON.stringify([response.status, response.children]) };
    };
    const { text: first } = written({ ...row.given, status });
    const [moved] = JSON.parse(first);
    for (let syncs = 0; syncs < 100; syncs += 1) {
      const again = written({ ...row.given, status: moved }, later);
      if (syncs === 0) t.same(again.events, [], "no news without any");
      if (again.text !== first) {
        t.equal(again.text, first, "a quiet sync changes no byte");
        return;
      }
    }
  });
}

t.test(
  "a Deployment says what its Toggle depends on, and whose it is where somebody depends on it",
  async (t) => {
    const labelsOf = (parts: RequestParts) => answer(parts).child?.metadata.labels;
    t.strictSame(labelsOf({ owned: [deployment(3)] }), { app: "web" });
    t.strictSame(labelsOf({ owned: [deployment(3)], spec: { dependsOn: ["db", "a.b"] } }), {
      "depends-on.toggle.j5t.io/a.b": "true",
      "depends-on.toggle.j5t.io/db": "true",
      app: "web",
    });
    const named = { "toggle.j5t.io/toggle": "web", app: "web" };
    t.strictSame(labelsOf({ owned: [deployment(3)], related: [dependent("shop", 1)] }), named);
    const blocked = { spec: { dependsOn: ["web"] }, owned: [deployment(3)] };
    t.match(labelsOf(blocked), DEPENDS_ON_WEB, "a Blocked one as well");
    const others = answer({
      owned: [deployment(3), deployment(2, { name: "second" })],
      related: [dependent("shop", 1)],
    }).others;
    t.strictSame(others[0]?.metadata.labels, { app: "web" }, "another that the selector matches does not");
  },
);

t.test("names that are longer than a label are cut, and told apart", async (t) => {
  const [long, longer] = ["a".repeat(80), "a".repeat(81)];
  const { child } = answer({ owned: [deployment(3)], spec: { dependsOn: [long, longer] } });
  const keys = Object.keys(child?.metadata.labels ?? {}).filter((key) => key.startsWith("depends-on."));
  t.equal(keys.length, 2);
  for (const key of keys) t.match(key, /^depends-on\.toggle\.j5t\.io\/a{46}-[0-9a-f]{16}$/);
});

const related = (parts: RequestParts) => {
  const { parent, controller } = request(parts);
  return customize(parent, controller).relatedResources.filter(
    ({ resource, names }) => resource !== "pods" && names === undefined,
  );
};

t.test("customize asks for the Deployments of both sides, and for no Toggle", async (t) => {
  const rule = (matchLabels: StringMap) => ({
    apiVersion: "apps/v1",
    resource: "deployments",
    namespace: "demo",
    labelSelector: { matchLabels },
  });
  t.strictSame(related({ spec: { dependsOn: ["db", "queue"] } }), [
    rule(DEPENDS_ON_WEB),
    rule({ "toggle.j5t.io/toggle": "db" }),
    rule({ "toggle.j5t.io/toggle": "queue" }),
  ]);
});

t.test("who waits to stop carries that on the Deployment, and a fault of the spec ends it", async (t) => {
  const waiting = { spec: off, owned: [deployment(3)], related: [dependent("shop", 2)] };
  t.match(answer(waiting).child?.metadata.annotations, { [STOPPING]: "true" });
  const marked = [deployment(3, { annotations: { [STOPPING]: "true" } })];
  for (const spec of [{ enabled: true }, { ...off, dependsOn: ["shop"] }]) {
    t.notMatch(answer({ ...waiting, spec, owned: marked }).child?.metadata.annotations, { [STOPPING]: /./ });
  }
});

t.test("the count that it had is the one that it gets after a wait", async (t) => {
  const noted = {
    "toggle.j5t.io/replicas-when-on": "4",
    "toggle.j5t.io/switched-off-by": request().parent.metadata.uid,
  };
  const waiting = answer({ spec: onDb, owned: [deployment(0, { annotations: noted })] });
  t.match(waiting.child?.metadata.annotations, noted, "the note stays while it waits");
  t.match(waiting.status, { desiredReplicas: 4, lastReplicas: 4, waitingFor: ["db"] });
  const started = answer({
    spec: onDb,
    status: waiting.status,
    owned: [deployment(0, { annotations: noted })],
    related: [its("db", 1)],
  });
  t.equal(started.child?.spec.replicas, 4);
  t.match(started.status, { lastReplicas: 4 });
  t.notMatch(started.status, { lastScaled: { putBacks: 1 } }, "and that is no fight");
});

t.test("while it is deleted it stays findable for who depends on it", async (t) => {
  const { response } = finalize(
    request({
      finalizing: true,
      metadata: { deletionTimestamp: context.now },
      spec: onDb,
      owned: [deployment(3)],
      related: [dependent("shop", 1)],
    }),
    context,
  );
  t.match(response.children, [
    { metadata: { labels: { "depends-on.toggle.j5t.io/db": "true", "toggle.j5t.io/toggle": "web" } } },
  ]);
});
