// SPDX-License-Identifier: Apache-2.0
// Tests which schedules and dependencies of Toggles the API server takes, and what it says of those that it refuses.
import t from "tap";
import { definitionFaults } from "../../scripts/control-plane/api/validation/definition-validation.ts";
import { ruleFaults } from "../../scripts/control-plane/api/validation/rule-validation.ts";
import { schemaFaults } from "../../scripts/control-plane/api/validation/schema-validation.ts";
import { CRDS } from "../../scripts/crd.ts";

const definition = JSON.parse(JSON.stringify(CRDS["toggles.yaml"]));
const schema = definition.spec.versions[0].schema.openAPIV3Schema;

const object = (spec: object) => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: { name: "web", namespace: "demo" },
  spec: JSON.parse(JSON.stringify({ selector: { matchLabels: { app: "web" } }, ...spec })),
});
const faultsOf = (spec: object): string =>
  JSON.stringify([...schemaFaults(object(spec), schema, ""), ...ruleFaults(schema, object(spec), undefined)]);
const scheduled = (...on: string[]) => ({ schedule: [{ timeZone: "Europe/Berlin", on }] });

t.test("the definition is one that the API server takes", async (t) => {
  t.same(definitionFaults(definition, undefined), []);
});

const taken = [
  "Mon-Fri 08:00-18:00",
  "22:00-06:00",
  "Sat,Sun 10:00-12:00",
  "Wed 10:00-24:00",
  "Mon,Wed-Fri",
  "0 8 * * 1-5",
  "*/15 8-18 1,15 JAN-MAR MON-FRI",
];
for (const entry of taken) {
  t.test(`it takes: ${entry}`, async (t) => t.equal(faultsOf(scheduled(entry)), "[]"));
}
for (const timeZone of ["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) {
  t.test(`it takes: ${timeZone}`, async (t) =>
    t.equal(faultsOf({ schedule: [{ timeZone, off: ["Sun"] }] }), "[]"),
  );
}

const pods = { spec: { containers: [{ name: "x" }] } };
for (const spec of [
  { dependsOn: ["db", "queue.eu"] },
  { targetRef: { kind: "StatefulSet", name: "a" } },
  { targetRef: { kind: "Deployment", name: "a" }, deploymentName: "a", template: pods },
]) {
  t.test(`it takes: ${JSON.stringify(spec)}`, async (t) => t.equal(faultsOf(spec), "[]"));
}

const WHAT = /must be a window, such as Mon-Fri 08:00-18:00, or a cron expression of five fields/;
const refused: readonly [spec: object, fault: RegExp][] = [
  ...[
    "Monday 08:00-18:00",
    "8:00-18:00",
    "08:00-24:30",
    "Mon 08:00",
    "0 8 * *",
    "0 0 8 * * *",
    "@daily",
    "x",
  ].map((entry): [object, RegExp] => [scheduled(entry), WHAT]),
  [{ schedule: [{ on: ["Mon"] }] }, /timeZone/],
  [{ schedule: [{ timeZone: "+01:00", on: ["Mon"] }] }, /must be the IANA name of a time zone/],
  [{ schedule: [{ timeZone: "UTC" }] }, /must have on or off/],
  [{ schedule: [{ timeZone: "UTC", on: [] }] }, /must have on or off/],
  [{ schedule: [] }, /schedule/],
  [{ targetRef: { kind: "StatefulSet", name: "a" }, deploymentName: "b" }, /must not differ/],
  [{ targetRef: { kind: "StatefulSet", name: "a" }, template: pods }, /makes Deployments alone/],
  [{ targetRef: { kind: "DaemonSet", name: "a" } }, /targetRef\.kind/],
  [{ targetRef: { kind: "StatefulSet" } }, /targetRef\.name/],
  [{ dependsOn: ["db", "web"] }, /must not name the Toggle itself/],
  [{ dependsOn: ["db", "db"] }, /Duplicate/i],
  [{ dependsOn: ["Not a name"] }, /dependsOn/],
];
for (const [spec, fault] of refused) {
  t.test(`it refuses: ${JSON.stringify(spec)}`, async (t) => t.match(faultsOf(spec), fault));
}
