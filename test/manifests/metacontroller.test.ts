// SPDX-License-Identifier: Apache-2.0
// Tests that the components over Metacontroller's own manifests set its arguments, whichever workload they have, and its
// rights, and nothing else.

import { Type } from "@sinclair/typebox";
import t from "tap";
import { as, pick, rendered } from "./rendered.ts";

const Role = Type.Object({
  rules: Type.Array(
    Type.Object({
      apiGroups: Type.Array(Type.String()),
      resources: Type.Array(Type.String()),
      verbs: Type.Array(Type.String()),
    }),
  ),
});
const Controller = Type.Object({
  spec: Type.Object({
    parentResource: Type.Object({ apiVersion: Type.String(), resource: Type.String() }),
    childResources: Type.Array(Type.Object({ apiVersion: Type.String(), resource: Type.String() })),
  }),
});

/** What Metacontroller does with parents and children of every controller. */
const NEEDED = ["get", "list", "patch", "update", "watch"];
const groupOf = (apiVersion: string) => (apiVersion.includes("/") ? apiVersion.split("/")[0] : "") ?? "";
/** The resources of the CompositeControllers that are installed, by their groups. */
const served: [group: string, resources: string[]][] = rendered("manifests/composite-controllers").flatMap(
  (manifest) => {
    const { parentResource: parent, childResources } = as(Controller, manifest).spec;
    const { resource } = parent;
    return [
      [groupOf(parent.apiVersion), [resource, `${resource}/status`, `${resource}/finalizers`]],
      ...childResources.map((child): [string, string[]] => [groupOf(child.apiVersion), [child.resource]]),
    ];
  },
);

const Args = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      spec: Type.Object({
        containers: Type.Tuple([Type.Object({ args: Type.Array(Type.String()), image: Type.String() })]),
      }),
    }),
  }),
});

for (const [folder, kind] of [
  ["stateful-set", "StatefulSet"],
  ["deployment", "Deployment"],
] as const) {
  t.test(`over a ${kind}`, async (t) => {
    const manifests = rendered(`test/fixtures/metacontroller-manifests/${folder}`);
    t.same(manifests.map(({ kind }) => kind).sort(), ["ClusterRole", kind]);
    const manifest = pick(manifests, kind, "metacontroller");
    const [{ args, image }] = as(Args, manifest).spec.template.spec.containers;
    const { rules } = as(Role, pick(manifests, "ClusterRole", "metacontroller"));
    t.notMatch(JSON.stringify(rules), /"\*"/, "no right is for everything");
    for (const [group, resources] of served) {
      for (const resource of resources) {
        const rule = rules.find((one) => one.apiGroups.includes(group) && one.resources.includes(resource));
        t.hasStrict(rule?.verbs.filter((verb) => NEEDED.includes(verb)).sort(), NEEDED, resource);
      }
    }
    const ofPods = rules.filter(({ resources }) => resources.some((one) => /^pods(\/|$)/.test(one)));
    t.same(ofPods, [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }], "to read");
    const forbidden = /^(roles|clusterroles|rolebindings|clusterrolebindings|serviceaccounts)(\/|$)/;
    t.notOk(rules.some(({ resources }) => resources.some((resource) => forbidden.test(resource))));
    t.equal(image, "metacontroller:stub");
    const flags = new Map(args.map((arg) => [arg.split("=")[0], arg.split("=")[1]]));
    t.equal(flags.size, args.length, "no argument is there twice");
    t.equal(flags.get("--apply-strategy"), "server-side-apply");
    t.equal(flags.get("--client-go-qps"), "500");
    t.equal(flags.get("--client-go-burst"), "1000");
    t.equal(flags.get("--workers"), "10");
    t.ok(
      Number(flags.get("--zap-log-level")) < 5,
      "neither changes of Secrets nor webhook bodies are logged",
    );
  });
}
