// SPDX-License-Identifier: Apache-2.0
// Tests label selectors, Go durations, rules of related objects and a Deployment's status.
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import { type Condition, deploymentStatus } from "../../engine/deployment-status.ts";
import { canonicalDuration, durationMs } from "../../engine/go-duration.ts";
import { type LabelSelector, selects } from "../../engine/label-selector.ts";
import { checkedRule, isRelated } from "../../engine/related-rule.ts";
import { secrets } from "./cluster.ts";

const labels = { app: "web", tier: "gold" };
const expression = (
  key: string,
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist",
  values?: string[],
) => ({
  matchExpressions: [{ key, operator, ...(values ? { values } : {}) }],
});
const selectors: [string, LabelSelector, boolean][] = [
  ["an empty selector matches everything", {}, true],
  ["all of matchLabels must be there", { matchLabels: { app: "web", tier: "iron" } }, false],
  ["In takes one of the values", expression("tier", "In", ["iron", "gold"]), true],
  ["In needs the label", expression("other", "In", ["gold"]), false],
  ["NotIn takes an object without the label", expression("other", "NotIn", ["gold"]), true],
  ["NotIn refuses the values", expression("tier", "NotIn", ["gold"]), false],
  ["Exists asks for the label alone", expression("app", "Exists"), true],
  ["DoesNotExist refuses it", expression("app", "DoesNotExist"), false],
];
for (const [what, selector, matches] of selectors) {
  t.test(what, async (t) => t.equal(selects(selector, labels), matches));
}

const durations: [string, number | undefined, string][] = [
  ["10s", 10_000, "10s"],
  ["1m", 60_000, "1m0s"],
  ["1h30m", 5_400_000, "1h30m0s"],
  ["1.5s", 1_500, "1.5s"],
  ["250ms", 250, "250ms"],
  ["0s", undefined, ""],
  ["-1s", undefined, ""],
  ["10", undefined, ""],
  ["", undefined, ""],
];
for (const [text, ms, canonical] of durations) {
  t.test(`the duration "${text}"`, async (t) => {
    t.equal(durationMs(text), ms);
    if (ms !== undefined) t.equal(canonicalDuration(ms), canonical);
  });
}

const rule = { apiVersion: "v1", resource: "secrets" };
const app = { apiVersion: "v1", kind: "Secret", metadata: { name: "app", namespace: "demo", labels } };
const namespaces: { [name: string]: { [label: string]: string } } = { demo: { team: "a" } };
const rules: [string, Parameters<typeof isRelated>[0], boolean][] = [
  ["a rule with nothing selects everything", rule, true],
  ["a rule selects by name", { ...rule, names: ["app"] }, true],
  ["a rule of names leaves others out", { ...rule, names: ["db"] }, false],
  ["names without a namespace reach into every namespace", { ...rule, names: ["app"], namespace: "" }, true],
  ["a namespace leaves others out", { ...rule, names: ["app"], namespace: "other" }, false],
  [
    "a namespace goes together with labels",
    { ...rule, namespace: "demo", labelSelector: expression("app", "Exists") },
    true,
  ],
  [
    "a namespaceSelector asks for the namespace's labels",
    { ...rule, namespaceSelector: { matchLabels: { team: "b" } } },
    false,
  ],
];
for (const [what, related, selected] of rules) {
  t.test(what, async (t) =>
    t.equal(
      isRelated(related, app, (name) => namespaces[name]),
      selected,
    ),
  );
}
t.test("a rule of names and labels at once is a fault", async (t) => {
  t.equal(checkedRule({ ...rule, names: ["a"], labelSelector: {} }, secrets).ok, false);
  t.equal(checkedRule({ ...rule, namespace: "a", namespaceSelector: {} }, secrets).ok, false);
  t.equal(checkedRule({ ...rule, namespace: "a", labelSelector: {} }, secrets).ok, true);
});

type Step = { what: string; desired: number; actual: number; ready: number; shows: JsonObject };
const condition = (type: string, status: string, reason: string) => ({ type, status, reason });
const rollout: Step[] = [
  {
    what: "new pods are there and not ready",
    desired: 2,
    actual: 2,
    ready: 0,
    shows: {
      replicas: 2,
      updatedReplicas: 2,
      unavailableReplicas: 2,
      conditions: [
        condition("Available", "False", "MinimumReplicasUnavailable"),
        condition("Progressing", "True", "ReplicaSetUpdated"),
      ],
    },
  },
  {
    what: "the pods are ready",
    desired: 2,
    actual: 2,
    ready: 2,
    shows: {
      replicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      conditions: [
        condition("Available", "True", "MinimumReplicasAvailable"),
        condition("Progressing", "True", "NewReplicaSetAvailable"),
      ],
    },
  },
  {
    what: "it is scaled to zero, and the pods are still there",
    desired: 0,
    actual: 2,
    ready: 2,
    shows: { replicas: 2, readyReplicas: 2, observedGeneration: 3 },
  },
  {
    what: "the pods are gone",
    desired: 0,
    actual: 0,
    ready: 0,
    shows: { terminatingReplicas: 0, observedGeneration: 4 },
  },
];
t.test("a Deployment's status over a rollout and a switch-off", async (t) => {
  let conditions: Condition[] = [];
  let [updatedReplicas, readyReplicas] = [0, 0];
  for (const [index, { what, desired, actual, ready, shows }] of rollout.entries()) {
    const status = deploymentStatus({
      name: "web",
      generation: index + 1,
      template: {},
      pods: { desired, actual, ready },
      maxUnavailable: "25%",
      previous: { updatedReplicas, readyReplicas, conditions },
      at: `2026-01-01T00:00:0${index}Z`,
    });
    t.match(status, shows, what);
    for (const count of ["replicas", "readyReplicas", "availableReplicas", "unavailableReplicas"]) {
      if (!(count in shows) && index !== 2) t.equal(status[count], undefined, `${what}: no ${count}`);
    }
    conditions = JSON.parse(JSON.stringify(status.conditions));
    [updatedReplicas, readyReplicas] = [actual, ready];
  }
  const available = conditions.find(({ type }) => type === "Available");
  t.equal(available?.lastTransitionTime, "2026-01-01T00:00:01Z", "a condition that stays keeps its time");
});
