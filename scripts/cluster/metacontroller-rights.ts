// SPDX-License-Identifier: Apache-2.0
// Runs Metacontroller with the rights of manifests/metacontroller/rights and no others, so that a missing right fails a step.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse } from "yaml";
import type { Kubectl } from "../local/kubectl.ts";

const NAME = "keyswitch-test-metacontroller";
const USER = { namespace: "metacontroller", name: "metacontroller" };

const Patch = Type.Array(Type.Object({ op: Type.String(), path: Type.String(), value: Type.Unknown() }));
const Config = Type.Object({
  users: Type.Array(Type.Object({ user: Type.Record(Type.String(), Type.Unknown()) })),
});
type Config = Static<typeof Config>;

const rules = (): unknown => {
  const file = new URL("../../manifests/metacontroller/rights/rules.yaml", import.meta.url);
  const patch: unknown = parse(readFileSync(file, "utf8"));
  const found = Value.Check(Patch, patch) ? patch.find(({ op }) => op === "replace")?.value : undefined;
  if (found === undefined) throw new Error("manifests/metacontroller/rights/rules.yaml has no rules");
  return found;
};

const objects = () => ({
  apiVersion: "v1",
  kind: "List",
  items: [
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: NAME },
      rules: rules(),
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: NAME },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: NAME },
      subjects: [{ kind: "ServiceAccount", ...USER }],
    },
  ],
});

/** A kubeconfig in `folder` that acts as Metacontroller's service account, which may do what the rules say. */
export const limitedKubeconfig = async (kubectl: Kubectl, folder: string): Promise<string> => {
  await kubectl(["apply", "-f", "-"], JSON.stringify(objects()));
  const text = await kubectl(["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]);
  const config: unknown = JSON.parse(text);
  if (!Value.Check(Config, config)) throw new Error("kubectl config view showed no user");
  const acting: Config = {
    ...config,
    users: config.users.map((entry) => ({
      ...entry,
      user: { ...entry.user, as: `system:serviceaccount:${USER.namespace}:${USER.name}` },
    })),
  };
  const file = join(folder, "metacontroller.kubeconfig");
  writeFileSync(file, JSON.stringify(acting), { mode: 0o600 });
  return file;
};

/** Takes them away. */
export const removeRights = async (kubectl: Kubectl): Promise<void> => {
  await kubectl.try(["delete", "clusterrolebinding,clusterrole", NAME, "--ignore-not-found"]);
};
