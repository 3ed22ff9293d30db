// SPDX-License-Identifier: Apache-2.0
// Tests which way to the API server is taken: KUBECONFIG, the pod's service account, or a message that says what to set.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { stringify } from "yaml";
import { readVariables } from "../../server/config/variables.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { createAuthority } from "../http/authority.ts";

const directory = t.testdir({});
const authority = createAuthority(directory);
const bearerToken = randomBytes(16).toString("hex");
const origin = "https://api.example:6443";

/** A service account's folder as the kubelet mounts it. */
const serviceAccount = (t: Test) => {
  const folder = t.testdir({ token: bearerToken, namespace: "demo\n" });
  writeFileSync(join(folder, "ca.crt"), authority.ca);
  return folder;
};
const pod = { KUBERNETES_SERVICE_HOST: "10.96.0.1", KUBERNETES_SERVICE_PORT: "443" };

t.test("in a pod the service account is used", async (t) => {
  const folder = serviceAccount(t);
  const reader = readVariables(pod, KUBERNETES_VARIABLES);
  t.same(readKubernetes(reader, folder), {
    origin: "https://10.96.0.1:443",
    pathPrefix: "",
    ca: { file: join(folder, "ca.crt") },
    credentials: { kind: "token-file", path: join(folder, "token") },
    namespace: "demo",
  });
  t.same(reader.faults, []);
});

t.test("KUBECONFIG goes before the service account", async (t) => {
  const path = join(directory, "kubeconfig");
  const context = { name: "here", context: { cluster: "c" } };
  const clusters = [{ name: "c", cluster: { server: origin } }];
  writeFileSync(path, stringify({ "current-context": "here", clusters, contexts: [context] }));
  const reader = readVariables({ ...pod, KUBECONFIG: path }, KUBERNETES_VARIABLES);
  t.match(readKubernetes(reader, serviceAccount(t)), { origin });
});

mkdirSync(join(directory, "folder"));
for (const [what, env, message] of [
  ["neither is there", {}, /must name a kubeconfig file; only in a pod .* can it be left out/],
  ["no service account is mounted", pod, /must name a kubeconfig file/],
  ["KUBECONFIG names several files", { KUBECONFIG: "/a:/b" }, /must name one file: a list is not merged/],
  ["KUBECONFIG names no file", { KUBECONFIG: "/none" }, /\/none does not exist/],
  ["KUBECONFIG names a folder", { KUBECONFIG: join(directory, "folder") }, /is a directory/],
] as const) {
  t.test(`where ${what}, the fault says what to do`, async (t) => {
    const reader = readVariables(env, KUBERNETES_VARIABLES);
    t.equal(readKubernetes(reader, join(directory, "none")), undefined);
    t.match(reader.faults, [{ name: "KUBECONFIG", message }]);
    t.equal(reader.faults.length, 1);
  });
}
