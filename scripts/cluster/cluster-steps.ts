// SPDX-License-Identifier: Apache-2.0
// Implements the steps that only a real API server can show: the bot's admission policy, a forbidden template, how fast new
// HSMSecrets become Ready, and Metacontroller's rights.
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { eventually } from "../local/eventually.ts";
import type { Kubectl } from "../local/kubectl.ts";
import type { Stack } from "../local/stack.ts";
import type { Step } from "../tour-step.ts";
import { readyRateStep } from "./ready-rate.ts";

/** How many steps there are. */
export const CLUSTER_STEPS = 4;

const NAMESPACE = "demo";
const NAME = "guarded";
const BOT = "--as=system:serviceaccount:keyswitch:keyswitch-bot";
/** Of the bot's manifests, those that say what it may do. */
const RIGHTS =
  /^(ServiceAccount|Role|RoleBinding|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding)$/;

const podTemplate = {
  spec: {
    containers: [{ name: "x", image: "x", securityContext: { privileged: true } }],
    volumes: [{ name: "host", hostPath: { path: "/" } }],
  },
};
const toggle = (spec: object) =>
  JSON.stringify({
    apiVersion: "toggle.j5t.io/v1alpha1",
    kind: "Toggle",
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      annotations: { "toggle.j5t.io/allowed-users": "@alice:example.org" },
    },
    spec: { selector: { matchLabels: { app: NAME } }, ...spec },
  });

const allowed: readonly object[] = [
  {
    spec: {
      enabled: false,
      until: "2100-01-01T00:00:00Z",
      replicas: 2,
      requestedBy: "@alice:example.org",
      reason: "x",
    },
  },
  { spec: { enabled: true, until: null, replicas: null } },
];
const refused: readonly object[] = [
  { spec: { template: podTemplate } },
  { spec: { deploymentName: "other" } },
  { spec: { selector: { matchLabels: { app: "other" } } } },
  { spec: { deletionPolicy: "Delete" } },
  { spec: { replicaPolicy: "Floor" } },
  { metadata: { annotations: { "toggle.j5t.io/allowed-users": null } } },
  { metadata: { labels: { a: "b" } } },
  { metadata: { finalizers: ["example.org/x"] } },
];

/** The bot's rights as the manifests have them, over the Toggles of the namespace demo. */
const rightsOf = async ({ kubectl }: Stack): Promise<string> => {
  const rendered = await kubectl(["kustomize", join(import.meta.dirname, "../../manifests/bot")]);
  const items = parseAllDocuments(rendered)
    .map((document) => document.toJS())
    .filter(({ kind }) => RIGHTS.test(kind))
    .map((item) =>
      item.kind.startsWith("Role") ? { ...item, metadata: { ...item.metadata, namespace: NAMESPACE } } : item,
    );
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
};

/** The tour leaves its namespace behind; without it there is none yet. */
const provideNamespace = (kubectl: Kubectl) => kubectl.try(["create", "namespace", NAMESPACE]);

const policyStep = async (stack: Stack, seconds: number): Promise<string> => {
  const { kubectl } = stack;
  await provideNamespace(kubectl);
  const rights = await rightsOf(stack);
  const patch = (change: object, ...options: string[]) =>
    kubectl.try(
      ["patch", "-n", NAMESPACE, "toggle", NAME, "--type=merge", "-p", JSON.stringify(change), BOT].concat(
        options,
      ),
    );
  const isRefused = async (change: object, ...options: string[]) => {
    const { code, stderr } = await patch(change, ...options);
    return code !== 0 && stderr.includes("denied request: the bot may");
  };
  const [attack = {}] = refused;
  try {
    await kubectl(["apply", "-f", "-"], rights);
    await kubectl(["apply", "-f", "-"], toggle({}));
    await eventually("the policy is in force", () => isRefused(attack, "--dry-run=server"), { seconds });
    for (const change of refused) {
      if (!(await isRefused(change))) throw new Error(`the bot may do this: ${JSON.stringify(change)}`);
    }
    for (const change of allowed) {
      const { code, stderr } = await patch(change);
      if (code !== 0) throw new Error(`the bot may not switch: ${stderr.trim()}`);
    }
    await kubectl(["patch", "-n", NAMESPACE, "toggle", NAME, "--type=merge", "-p", JSON.stringify(attack)]);
    const { code, stderr } = await patch({ spec: { enabled: false } });
    if (code !== 0) throw new Error(`the bot may not switch a Toggle that has a template: ${stderr.trim()}`);
    const status = await kubectl([
      "get",
      "validatingadmissionpolicy",
      "keyswitch-bot",
      "-o",
      "jsonpath={.status}",
    ]);
    if (status.includes("expressionWarnings")) throw new Error(`the policy has warnings: ${status}`);
    return `${refused.length} changes refused, ${allowed.length + 1} switches done; others are not bound by it`;
  } finally {
    await kubectl.try(["delete", "-f", "-", "--ignore-not-found"], rights);
    await kubectl.try(["delete", "-n", NAMESPACE, "toggle", NAME, "--ignore-not-found"]);
  }
};

const templateStep = async ({ kubectl }: Stack, seconds: number): Promise<string> => {
  await provideNamespace(kubectl);
  const timeout = `--timeout=${Math.ceil(seconds)}s`;
  await kubectl(["apply", "-f", "-"], toggle({ template: podTemplate }));
  const blocked = "--for=jsonpath={.status.phase}=Blocked";
  await kubectl(["wait", "-n", NAMESPACE, `toggle/${NAME}`, blocked, timeout]);
  const made = await kubectl([
    "get",
    "-n",
    NAMESPACE,
    "deployment",
    NAME,
    "--ignore-not-found",
    "-o",
    "name",
  ]);
  if (made.trim() !== "") throw new Error(`${made.trim()} was made`);
  await kubectl(["delete", "-n", NAMESPACE, "toggle", NAME, timeout]);
  return "the Toggle is Blocked, and no Deployment is made";
};

const METACONTROLLER = "system:serviceaccount:metacontroller:metacontroller";
/** What the API server says to Metacontroller where a right is missing. */
const LACKING = /is forbidden: User \\*"system:serviceaccount:metacontroller:/;
/** What is refused, in such a line. */
const REFUSED = /cannot (\S+) resource \\*"([^"\\]+)\\*" in API group \\*"([^"\\]*)/;

/** Whether Metacontroller has what `line` says is refused: an API server that has just started may say that of any right. */
const hasNow = async ({ kubectl }: Stack, line: string): Promise<boolean> => {
  const [, verb, resource, group] = REFUSED.exec(line) ?? [];
  if (verb === undefined || resource === undefined) return false;
  const kind = group ? `${resource}.${group}` : resource;
  const asked = await kubectl.try(["auth", "can-i", verb, kind, "-A", `--as=${METACONTROLLER}`]);
  return asked.stdout.trim() === "yes";
};

const rightsStep = async (stack: Stack): Promise<string> => {
  const lines = stack.logs();
  for (const line of lines) {
    if (LACKING.test(line) && !(await hasNow(stack, line))) throw new Error(line.slice(0, 600));
  }
  return `no right is missing by ${lines.length} lines of all logs`;
};

/** The steps; each waits `seconds` at most for a thing to come about. */
export const clusterSteps = (stack: Stack, seconds: number): Step[] => [
  {
    title: "the bot may write the fields of a switch and no others",
    run: () => policyStep(stack, seconds),
  },
  {
    title: "a Toggle's template makes nothing where templates are not allowed",
    run: () => templateStep(stack, seconds),
  },
  {
    title: "new HSMSecrets become Ready, and how fast beside the parents of a trivial hook",
    run: () => readyRateStep(stack),
  },
  {
    title: "Metacontroller needs no right that manifests/metacontroller/rights does not give it",
    run: () => rightsStep(stack),
  },
];
