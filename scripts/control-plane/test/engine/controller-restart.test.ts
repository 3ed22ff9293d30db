// SPDX-License-Identifier: Apache-2.0
// Tests which changes restart a controller, so that it reads the credentials of its hooks again.
import { randomBytes } from "node:crypto";
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import type { ResourceInfo } from "../../client.ts";
import { hsmSecret, hsmSecretController, hsmSecrets, namespace, startCluster } from "./cluster.ts";
import { startHookServer } from "./hook-server.ts";

const controllers: ResourceInfo = {
  apiVersion: "metacontroller.k8s.io/v1alpha1",
  kind: "CompositeController",
  plural: "compositecontrollers",
  namespaced: false,
  hasStatus: true,
};
const tokenSecret = (bearerToken: string): JsonObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "hook-token", namespace: "keyswitch" },
  stringData: { token: bearerToken },
});
const webhook = (fields: JsonObject): JsonObject => ({ spec: { hooks: { sync: { webhook: fields } } } });

// Metacontroller, pkg/controller/composite/metacontroller.go: DeepEqual of the specs as its own types hold them.
const changes: { what: string; patch: JsonObject; restarts: boolean }[] = [
  { what: "an annotation", patch: { metadata: { annotations: { rotated: "1" } } }, restarts: false },
  { what: "a label", patch: { metadata: { labels: { rotated: "1" } } }, restarts: false },
  { what: "a field that the definition lacks", patch: { spec: { credentials: 1 } }, restarts: false },
  { what: "another such field", patch: webhook({ credentials: 1 }), restarts: false },
  { what: "another writing of the timeout", patch: webhook({ timeout: "10000ms" }), restarts: false },
  { what: "another timeout", patch: webhook({ timeout: "11s" }), restarts: true },
  { what: "a path beside the url", patch: webhook({ path: "credentials-1" }), restarts: true },
];

t.test("credentials are read again when the controller's spec differs, and at nothing else", async (t) => {
  const bearerToken = () => randomBytes(16).toString("hex");
  const cluster = await startCluster(t);
  const hook = await startHookServer(() => ({ body: { status: {}, children: [] } }));
  t.teardown(hook.close);
  let known = bearerToken();
  const secretRef = { name: "hook-token", namespace: "keyswitch", key: "token" };
  const fields = {
    url: hook.url("/hooks/sync"),
    timeout: "10s",
    authorization: { type: "Bearer", secretRef },
  };
  await cluster.apply(namespace("demo"), namespace("keyswitch"), hsmSecrets, tokenSecret(known));
  await cluster.apply(hsmSecretController(hook, { hooks: { sync: { version: "v2", webhook: fields } } }));
  await cluster.apply(hsmSecret("app"));
  const engine = await cluster.engine();
  t.equal((await hook.seen(() => true)).headers.authorization, `Bearer ${known}`);

  for (const [index, { what, patch, restarts }] of changes.entries()) {
    const next = bearerToken();
    await cluster.apply(tokenSecret(next));
    const body = JSON.stringify(patch);
    const contentType = "application/merge-patch+json";
    const patched = await cluster.client.patch(controllers, { name: "hsmsecret" }, { contentType, body });
    t.ok(patched.ok, what);
    await engine.idle();
    if (restarts) known = next;
    const before = hook.requests.length;
    await cluster.kubectl(["annotate", "--overwrite", "hsmsecret", "app", "-n", "demo", `again=${index}`]);
    const { headers, path } = await hook.seen(() => true, before);
    t.equal(headers.authorization, `Bearer ${known}`, what);
    t.equal(path, "/hooks/sync", "the url goes before the path");
  }
});
