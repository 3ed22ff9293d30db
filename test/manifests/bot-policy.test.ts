// SPDX-License-Identifier: Apache-2.0
// Tests the bot's admission policy: its expressions on each kind of change, and whom it binds. npm run test:cluster tries it on
// a real API server.
import { Environment } from "@marcbachmann/cel-js";
import { Type } from "@sinclair/typebox";
import t from "tap";
import { type Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";
import { createToggleRequests } from "../../server/kubernetes/toggle-requests.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { as, pick, rendered, Workload } from "./rendered.ts";

const manifests = rendered("manifests/bot");
const Named = Type.Object({ name: Type.String(), expression: Type.String() });
const Policy = Type.Object({
  apiVersion: Type.Literal("admissionregistration.k8s.io/v1"),
  spec: Type.Object({
    failurePolicy: Type.String(),
    matchConstraints: Type.Object({ resourceRules: Type.Array(Type.Record(Type.String(), Type.Unknown())) }),
    matchConditions: Type.Array(Named),
    variables: Type.Array(Named),
    validations: Type.Array(
      Type.Object({ expression: Type.String(), message: Type.String(), reason: Type.String() }),
    ),
  }),
});
const { spec: policy } = as(Policy, pick(manifests, "ValidatingAdmissionPolicy", "keyswitch-bot"));
const BOT = "system:serviceaccount:keyswitch:keyswitch-bot";

type Change = { operation?: string; subResource?: string; before?: object; after?: object };

const cel = new Environment({ homogeneousAggregateLiterals: false, unlistedVariablesAreDyn: true });

/** `expression` with each variable written out. */
const whole = (expression: string): string =>
  expression.replaceAll(/\bvariables\.(\w+)/g, (_, name) => {
    const found = policy.variables.find((variable) => variable.name === name);
    if (found === undefined) throw new Error(`there is no variable ${name}`);
    return `(${found.expression})`;
  });

/** The messages of the rules that `change` breaks. */
const refusals = ({ operation = "UPDATE", subResource = "", before, after }: Change): string[] => {
  const context = {
    request: { operation, subResource, userInfo: { username: BOT } },
    object: after ?? null,
    oldObject: before ?? null,
  };
  return policy.validations
    .filter(({ expression }) => cel.evaluate(whole(expression), context) !== true)
    .map(({ message }) => message);
};

const spec = { enabled: true, selector: { matchLabels: { app: "web" } }, replicas: 2n, until: "x" };
const metadata = {
  name: "web",
  namespace: "demo",
  resourceVersion: "1",
  managedFields: [{ manager: "kubectl" }],
  annotations: { "toggle.j5t.io/allowed-users": "@alice:example.org" },
};
const toggle = { metadata, spec };
const changed = (change: object, meta: object = {}): Change => ({
  before: toggle,
  after: { metadata: { ...metadata, ...meta }, spec: { ...spec, ...change } },
});
const without = (field: string): Change => {
  const rest = Object.entries(spec).filter(([name]) => name !== field);
  return { before: toggle, after: { metadata, spec: Object.fromEntries(rest) } };
};
const podTemplate = { spec: { containers: [{ name: "x", securityContext: { privileged: true } }] } };

const switches: Record<string, Change> = {
  nothing: changed({}),
  "what a switch writes": changed(
    { enabled: false, until: "y", requestedBy: "@alice:example.org", reason: "z", replicas: 3n },
    { resourceVersion: "2", generation: 2n, managedFields: [{ manager: "keyswitch-bot" }] },
  ),
  "a restart": changed({ restartAt: "2026-11-22T08:00:00Z" }),
  "until taken out": without("until"),
  "replicas taken out": without("replicas"),
  "a switch beside a template that an administrator set": {
    before: { metadata, spec: { ...spec, template: podTemplate } },
    after: { metadata, spec: { ...spec, template: structuredClone(podTemplate), enabled: false } },
  },
};
for (const [name, change] of Object.entries(switches)) {
  t.test(`the bot may do this: ${name}`, async (t) => t.same(refusals(change), []));
}

const onlySwitches = /enabled, until, restartAt, replicas, requestedBy, reason and requestedAt/;
const onlyToggles = /may change Toggles, and nothing else/;
const attacks: Record<string, [change: Change, why: RegExp]> = {
  "a privileged template": [changed({ template: podTemplate }), onlySwitches],
  "a template changed": [
    {
      before: { metadata, spec: { ...spec, template: { spec: { containers: [{ name: "x" }] } } } },
      after: { metadata, spec: { ...spec, template: podTemplate } },
    },
    onlySwitches,
  ],
  "another Deployment": [changed({ deploymentName: "other" }), onlySwitches],
  "another selector": [changed({ selector: { matchLabels: { app: "other" } } }), onlySwitches],
  "a selector taken out": [without("selector"), onlySwitches],
  "a deletionPolicy": [changed({ deletionPolicy: "Delete" }), onlySwitches],
  "a field of a later version": [changed({ another: true }), onlySwitches],
  "other users": [changed({}, { annotations: { "toggle.j5t.io/allowed-users": "@eve:x" } }), /annotations/],
  "no annotations": [{ before: toggle, after: { metadata: { name: "web" }, spec } }, /annotations/],
  labels: [changed({}, { labels: { a: "b" } }), /labels/],
  finalizers: [changed({}, { finalizers: ["a/b"] }), /finalizers/],
  owners: [changed({}, { ownerReferences: [{ kind: "Secret", name: "x" }] }), /owners/],
  "a new Toggle": [{ operation: "CREATE", after: toggle }, onlyToggles],
  "no Toggle": [{ operation: "DELETE", before: toggle }, onlyToggles],
  "the status": [{ ...changed({}), subResource: "status" }, onlyToggles],
  "the scale": [{ ...changed({}), subResource: "scale" }, onlyToggles],
};
for (const [name, [change, why]] of Object.entries(attacks)) {
  t.test(`the bot may not do this: ${name}`, async (t) => {
    t.match(refusals(change), [why]);
  });
}

t.test(
  "the fields that the bot may write are fields of a Toggle, and all that it writes are among them",
  async (t) => {
    const listed = policy.variables.find(({ name }) => name === "fields")?.expression ?? "[]";
    const fields: string[] = JSON.parse(listed);
    t.same(
      fields.filter((field) => !Object.hasOwn(ToggleSpec.properties, field)),
      [],
    );
    const scheduled: Toggle = {
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web", namespace: "demo", uid: "u" },
      spec: { selector: { matchLabels: { app: "web" } }, schedule: [{ timeZone: "UTC", on: ["Mon"] }] },
    };
    const sent: unknown[] = [];
    const requests = createToggleRequests({
      // With a schedule a patch has one field more.
      remembered: () => scheduled,
      path: "/",
      namespace: "demo",
      logger: recordedLog().logger,
      client: {
        request: async ({ mergePatch }) => {
          sent.push(mergePatch);
          return { ok: false, kind: "refused", status: 422, what: "" };
        },
        watch: () => Promise.reject(new Error("not asked for")),
        close: async () => {},
      },
    });
    await requests.patch("web", { enabled: true, until: null, requestedBy: "a", reason: "b" });
    const [patch] = sent;
    const { spec: written, ...rest } = as(
      Type.Object({ spec: Type.Record(Type.String(), Type.Unknown()) }),
      patch,
    );
    t.same(rest, {});
    t.ok("requestedAt" in written);
    t.same(
      Object.keys(written).filter((field) => !fields.includes(field)),
      [],
    );
  },
);

t.test("it binds the service account of the bot's pod, fails closed, and is in force", async (t) => {
  const { spec: pod } = as(Workload, pick(manifests, "Deployment", "keyswitch-bot")).spec.template;
  const expression = policy.matchConditions[0]?.expression ?? "";
  const matches = (username: string) => cel.evaluate(expression, { request: { userInfo: { username } } });
  t.equal(policy.matchConditions.length, 1);
  t.equal(matches(`system:serviceaccount:keyswitch:${pod.serviceAccountName}`), true);
  t.equal(matches("system:serviceaccount:other:keyswitch-bot"), false);
  t.equal(policy.failurePolicy, "Fail");
  t.match(policy.matchConstraints.resourceRules, [
    { apiGroups: ["toggle.j5t.io"], resources: ["toggles", "toggles/*"] },
  ]);
  t.match(pick(manifests, "ValidatingAdmissionPolicyBinding", "keyswitch-bot"), {
    spec: { policyName: "keyswitch-bot", validationActions: ["Deny", "Audit"] },
  });
  t.ok(policy.validations.every(({ reason }) => reason === "Forbidden"));
});
