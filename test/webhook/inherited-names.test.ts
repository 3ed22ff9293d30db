// SPDX-License-Identifier: Apache-2.0
// Tests inherited property names in every hook as keys, labels, annotations, types, names and paths.
import { join } from "node:path";
import t from "tap";
import { answerJson, holding, missing, readAndWrite, startAgent } from "../doubles/agent.ts";
import { INHERITED_NAMES, inheritedNames } from "../inherited-names.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const encoded = (text: string) => Buffer.from(text).toString("base64");
const texts = inheritedNames((name) => `value of ${name}`);
const data = inheritedNames((name) => encoded(`value of ${name}`));
const recorded = recordedBody("hsmsecret-sync-no-child");
const { namespace, name, uid } = recorded.parent.metadata;
const path = `secrets/${namespace}/${name}`;
const maps = { labels: inheritedNames(() => "x"), annotations: inheritedNames(() => "x") };

const withSpec = (spec: object): RecordedBody => {
  const body = structuredClone(recorded);
  body.parent.spec = { ...spec };
  Object.assign(body.parent.metadata, maps);
  return body;
};

/** `body` once the Secret is there as the hook answered it. */
const withSecret = (body: RecordedBody, secret: RecordedBody): RecordedBody => {
  const owner = { apiVersion: body.parent.apiVersion, kind: "HSMSecret", name, uid, controller: true };
  const managedFields = [{ manager: "m", fieldsV1: { "f:data": inheritedNames(() => ({})) } }];
  const metadata = {
    ...secret.metadata,
    uid: "s",
    resourceVersion: "7",
    ownerReferences: [owner],
    managedFields,
  };
  const group = { "Secret.v1": { [`${namespace}/${secret.metadata.name}`]: { ...secret, metadata } } };
  return { ...body, children: group, related: structuredClone(group) };
};

t.test("a Secret gets the keys that objects inherit, and is then in step", async (t) => {
  const { post } = startWebhook(t, [await startAgent(t, holding(path, texts))]);
  const first = await post("sync", withSpec({}));
  const [child] = first.json().children;
  t.strictSame(JSON.stringify(Object.entries(child.data)), JSON.stringify(Object.entries(data).sort()));
  const second = await post("sync", withSecret(withSpec({}), child));
  t.match(second.json(), { status: { syncStatus: "InSync" } });
  t.same(Object.keys(second.json().children[0].data).sort(), [...INHERITED_NAMES].sort());
});

/** Bodies of syncs that have these names everywhere, as types of Secrets too. */
const bodiesWith = (writeBack: string) =>
  INHERITED_NAMES.flatMap((secretType) => {
    const metadata = { name, namespace, ...maps };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, type: secretType, data };
    const mapping = INHERITED_NAMES.map((key) => ({ key, hsmKey: key }));
    return [{}, { data: mapping }, { template: maps }].map((extra) =>
      withSecret(withSpec({ writeBack, secretType, ...extra }), secret),
    );
  });

for (const writeBack of ["Never", "OnChange"]) {
  t.test(`no hook fails at these names with writeBack ${writeBack}`, async (t) => {
    const written = answerJson(200, {
      path,
      outcome: "changed",
      checksum: "sha256:",
      keys: [],
      version: 4,
      device: "a",
    });
    const writeTokenFile = join(t.testdir({ token: "not-a-secret" }), "token");
    for (const token of [holding(path, texts), holding(path, { a: "b" }), missing]) {
      const { post } = startWebhook(t, [await startAgent(t, readAndWrite(token, written))], {
        writeTokenFile,
      });
      for (const body of bodiesWith(writeBack)) {
        const { controller, parent } = body;
        for (const [hook, sent] of [
          ["sync", body],
          ["customize", { controller, parent }],
          ["finalize", { ...body, finalizing: true }],
        ] as const) {
          const answer = await post(hook, sent);
          t.ok([200, 429].includes(answer.statusCode), `${hook}: ${answer.body}`);
        }
      }
    }
  });
}

t.test("a key of an edited Secret that the token lacks goes there under its own name", async (t) => {
  const agent = await startAgent(t, readAndWrite(holding(path, { a: "b" }), missing));
  const writeTokenFile = join(t.testdir({ token: "not-a-secret" }), "token");
  const { post } = startWebhook(t, [agent], { writeTokenFile });
  const spec = { writeBack: "OnChange" };
  const [child] = (await post("sync", withSpec(spec))).json().children;
  await post("sync", withSecret(withSpec(spec), { ...child, data }));
  const put = agent.requests.find(({ method }) => method === "PUT");
  t.strictSame(
    JSON.stringify(Object.entries(JSON.parse(put?.body ?? "{}").data)),
    JSON.stringify(Object.entries(data)),
  );
});

t.test("a mapped key that nobody has is reported, and not taken from what objects inherit", async (t) => {
  const { post } = startWebhook(t, [await startAgent(t, holding(path, { a: "b" }))]);
  for (const key of INHERITED_NAMES) {
    const answer = await post("sync", withSpec({ data: [{ key, hsmKey: key }] }));
    t.match(answer.json().status.lastError, `the token has no "${key}"`);
  }
});

t.test("the Toggle hooks take these names as labels, annotations and names", async (t) => {
  const { app } = startWebhook(t, []);
  const toggle = recordedBody("toggle-sync-disabled-at-zero");
  for (const deploymentName of ["constructor", "web"]) {
    const body = structuredClone(toggle);
    Object.assign(body.parent.metadata, maps);
    body.parent.spec = { ...body.parent.spec, deploymentName, selector: { matchLabels: maps.labels } };
    for (const [hook, payload] of [
      ["sync", body],
      ["finalize", { ...body, finalizing: true }],
      ["customize", { controller: body.controller, parent: body.parent }],
    ] as const) {
      const answer = await app.inject({ method: "POST", url: `/hooks/toggle/${hook}`, payload });
      t.equal(answer.statusCode, 200, `${hook}: ${answer.body}`);
    }
  }
});
