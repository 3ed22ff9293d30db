// SPDX-License-Identifier: Apache-2.0
// Runs a controller with a trivial hook as a baseline: it answers each parent with a Secret of two keys. It has a sync hook
// alone, or the three that ours have: for finalize Metacontroller writes a finalizer into each parent.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { ResourceInfo } from "../control-plane/client.ts";
import type { Kubectl } from "../local/kubectl.ts";

const GROUP = "bench.j5t.io";
const NAME = `trivials.${GROUP}`;

/** Its parents. */
export const trivials: ResourceInfo = {
  apiVersion: `${GROUP}/v1`,
  kind: "Trivial",
  plural: "trivials",
  namespaced: true,
  hasStatus: true,
};

const Call = Type.Object({
  parent: Type.Object({ metadata: Type.Object({ name: Type.String(), namespace: Type.String() }) }),
  children: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())),
});

/** Which hooks Metacontroller calls. */
export type TrivialHooks = "sync" | "all";

const answerTo = (path: string | undefined, call: unknown): object => {
  if (path === "/customize") return { relatedResources: [] };
  if (path === "/finalize") return { finalized: true, children: [] };
  if (!Value.Check(Call, call)) throw new Error("Metacontroller sent something else than a sync");
  const { name, namespace } = call.parent.metadata;
  const isMade = Object.keys(call.children["Secret.v1"] ?? {}).length > 0;
  const data = { username: "YXBw", password: Buffer.from("x".repeat(32)).toString("base64") };
  return {
    status: { conditions: [{ type: "Ready", status: isMade ? "True" : "False" }] },
    children: [{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "Opaque", data }],
  };
};

const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: NAME },
  spec: {
    group: GROUP,
    names: { kind: "Trivial", plural: "trivials", singular: "trivial", listKind: "TrivialList" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { ...open, properties: { spec: open, status: open } } },
      },
    ],
  },
};

const rbac = "rbac.authorization.k8s.io";
const rights = [
  {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRole",
    metadata: { name: NAME },
    rules: [{ apiGroups: [GROUP], resources: ["*"], verbs: ["*"] }],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: NAME },
    roleRef: { apiGroup: rbac, kind: "ClusterRole", name: NAME },
    subjects: [{ kind: "ServiceAccount", namespace: "metacontroller", name: "metacontroller" }],
  },
];

const hooksOf = (port: number, hooks: TrivialHooks) => {
  const hook = (name: string) => {
    const url = `http://127.0.0.1:${port}/${name}`;
    return { [name]: { version: "v2", webhook: { url, timeout: "10s" } } };
  };
  return hooks === "sync" ? hook("sync") : { ...hook("sync"), ...hook("customize"), ...hook("finalize") };
};

const controllerFor = (port: number, hooks: TrivialHooks) => ({
  apiVersion: "metacontroller.k8s.io/v1alpha1",
  kind: "CompositeController",
  metadata: { name: "trivial" },
  spec: {
    generateSelector: true,
    parentResource: { apiVersion: trivials.apiVersion, resource: trivials.plural, ignoreStatusChanges: true },
    childResources: [{ apiVersion: "v1", resource: "secrets", updateStrategy: { method: "InPlace" } }],
    hooks: hooksOf(port, hooks),
  },
});

/** Sets it up; the answer takes it away. */
export const startTrivialHook = async (
  kubectl: Kubectl,
  hooks: TrivialHooks,
): Promise<() => Promise<void>> => {
  const server = createServer(async (request, response) => {
    response.end(JSON.stringify(answerTo(request.url, await json(request))));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const list = (items: readonly object[]) => JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const made = [definition, ...rights];
  await kubectl(["apply", "-f", "-"], list(made));
  await kubectl(["wait", "--for=condition=Established", `crd/${NAME}`, "--timeout=60s"]);
  await kubectl(["apply", "-f", "-"], list([controllerFor(port, hooks)]));
  return async () => {
    await kubectl(["delete", "-f", "-", "--timeout=60s"], list([controllerFor(port, hooks), ...made]));
    server.closeAllConnections();
    server.close();
  };
};
