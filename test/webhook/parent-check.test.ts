// SPDX-License-Identifier: Apache-2.0
// Tests that the webhook confirms the HSMSecret with the API server before a token is changed: a forged hook body changes
// nothing.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { runServer } from "../../scripts/control-plane/test/api/running-server.ts";
import { openKubernetesClient } from "../../server/kubernetes/client.ts";
import { createParentCheck } from "../../server/webhook/parent-check.ts";
import { answerJson, holding, readAndWrite, startAgent } from "../doubles/agent.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { editedBody } from "./edited-body.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const after = { password: randomBytes(12).toString("base64") };
const checksum = checksumOfBase64(after);
const recorded = recordedBody("hsmsecret-sync-no-child");
const { namespace, name } = recorded.parent.metadata;
const path = `secrets/${namespace}/${name}`;
const definition = readFileSync(new URL("../../manifests/crds/hsmsecrets.yaml", import.meta.url), "utf8");
const collection = `/apis/hsm.j5t.io/v1alpha1/namespaces/${namespace}/hsmsecrets`;

/** A webhook, its agent, and an API server that has the HSMSecret with this spec; `origin` is that of another one. */
const scene = async (t: Test, spec: Record<string, string>, origin?: string) => {
  const server = await runServer(t);
  await server.kubectl("apply --server-side -f -", { input: definition });
  await server.kubectl("wait --for=condition=Established crd/hsmsecrets.hsm.j5t.io");
  await server.kubectl(`create namespace ${namespace}`);
  const made = await server.kubectl("create -f - -o json", {
    input: { apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMSecret", metadata: { name, namespace }, spec },
  });
  t.equal(made.code, 0, made.stderr);
  const uid: string = JSON.parse(made.stdout).metadata.uid;
  const written = { path, outcome: "changed", checksum, keys: ["password"], version: 4, device: "a" };
  const removed = answerJson(200, { path, outcome: "deleted", checksum, device: "a" });
  const changing = readAndWrite(holding(path, { password: "before" }), (request, response) =>
    (request.method === "DELETE" ? removed : answerJson(200, written))(request, response),
  );
  const agent = await startAgent(t, changing);
  const { logger } = recordedLog();
  const parents = createParentCheck(
    openKubernetesClient({
      config: { origin: origin ?? server.url, pathPrefix: "", credentials: { kind: "none" } },
      logger,
    }),
    logger,
  );
  t.teardown(() => parents.close());
  const writeTokenFile = join(t.testdir({ token: randomBytes(16).toString("hex") }), "token");
  const webhook = startWebhook(t, [agent], { parents, writeTokenFile });
  const bodyOf = (fixture: RecordedBody): RecordedBody => {
    const body = structuredClone(fixture);
    body.parent.metadata = { ...body.parent.metadata, name, namespace, uid };
    body.parent.spec = { ...spec };
    return body;
  };
  const changes = () => agent.requests.filter(({ method }) => method !== "GET").map(({ method }) => method);
  return { ...webhook, server, agent, bodyOf, changes };
};

t.test("an edit of an HSMSecret that the API server has is written", async (t) => {
  const { post, bodyOf, changes } = await scene(t, { writeBack: "OnChange" });
  const answer = await post("sync", await editedBody(bodyOf(recorded), post, after));
  t.equal(answer.statusCode, 429);
  t.same(changes(), ["PUT"]);
});

const forgeries: [string, (body: RecordedBody) => void, RegExp][] = [
  ["another uid", (body) => (body.parent.metadata.uid = "forged"), /has another HSMSecret of that name/],
  ["another path", (body) => (body.parent.spec.hsmPath = `${path}-x`), /has another spec\.hsmPath/],
  ["another device", (body) => (body.parent.spec.device = "a"), /has another spec\.device/],
  ["no such HSMSecret", (body) => (body.parent.metadata.name = "forged"), /has no such HSMSecret/],
];
for (const [sentence, forge, why] of forgeries) {
  t.test(`a forged body writes nothing: ${sentence}`, async (t) => {
    const { post, agent, bodyOf, changes } = await scene(t, { writeBack: "OnChange" });
    const body = bodyOf(recorded);
    forge(body);
    const { name: said } = body.parent.metadata;
    const asked = body.parent.spec.hsmPath ?? `secrets/${namespace}/${said}`;
    agent.answer = readAndWrite(holding(asked, { password: "before" }), answerJson(500, {}));
    const answer = (await post("sync", await editedBody(body, post, after))).json();
    t.match(answer.status, { conditions: [{ reason: "WriteBackFailed" }] });
    t.match(answer.status.lastError, /^PARENT_UNCONFIRMED: the API server /);
    t.match(answer.status.lastError, why);
    t.same(changes(), []);
  });
}

t.test("writeBack that only the body has writes nothing", async (t) => {
  const { post, bodyOf, changes } = await scene(t, {});
  const answer = (await post("sync", await editedBody(bodyOf(recorded), post, after))).json();
  t.match(answer.status.lastError, /has another spec\.writeBack/);
  t.same(changes(), []);
});

t.test("an API server that can't be asked keeps a write back", async (t) => {
  const { post, bodyOf, changes } = await scene(t, { writeBack: "OnChange" }, "http://127.0.0.1:1");
  const answer = (await post("sync", await editedBody(bodyOf(recorded), post, after))).json();
  t.match(answer.status.lastError, /^PARENT_UNCONFIRMED: the API server .*nothing was changed/);
  t.match(answer, { resyncAfterSeconds: Number });
  t.same(changes(), []);
});

t.test("data are removed for an HSMSecret that is being deleted, and for no other", async (t) => {
  const { server, post, bodyOf, changes } = await scene(t, { deletionPolicy: "Delete" });
  const body = bodyOf(recordedBody("hsmsecret-finalize-owned-child"));
  const kept = (await post("finalize", body)).json();
  t.match(kept, { finalized: false, status: { conditions: [{ reason: "WriteBackFailed" }] } });
  t.match(kept.status.lastError, /it is not being deleted/);
  t.equal(kept.children.length, 1);
  t.same(changes(), []);
  const patch = { metadata: { finalizers: ["example.org/hold"] } };
  await server.call("PATCH", `${collection}/${name}`, patch, "application/merge-patch+json");
  await server.call("DELETE", `${collection}/${name}`);
  t.match((await post("finalize", body)).json(), { finalized: true });
  t.same(changes(), ["DELETE"]);
});
