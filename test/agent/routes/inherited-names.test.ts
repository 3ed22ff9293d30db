// SPDX-License-Identifier: Apache-2.0
// Tests inherited property names as keys, labels and paths of a secret, through every route of the agent that takes or shows
// them.
import t from "tap";
import { INHERITED_NAMES, inheritedNames } from "../../inherited-names.ts";
import { b64, writableAgent } from "../writable-agent.ts";

const data = inheritedNames((name) => b64(name));
const labels = inheritedNames((name) => `label ${name}`);
const metadata = { labels };
const merge = { "content-type": "application/merge-patch+json" };

for (const path of ["secrets/a/db", ...INHERITED_NAMES]) {
  t.test(`${path} takes and shows the keys that objects inherit`, async (t) => {
    const { ask } = writableAgent(t);
    const url = `/v1/secrets/${path}`;
    const shown = async () => {
      const answer = await ask({ url });
      const entries = (map: object) => JSON.stringify(Object.entries(map).sort());
      const body = JSON.parse(answer.body);
      t.equal(entries(body.data), entries(data));
      t.equal(entries(body.metadata.labels), entries(labels));
    };
    t.equal((await ask({ method: "PUT", url, body: { data, metadata } })).statusCode, 201);
    await shown();
    const exported = JSON.parse((await ask({ url: "/v1/export" })).body);
    t.equal(exported.secrets.length, 1);
    for (const key of INHERITED_NAMES) {
      const removed = await ask({ method: "DELETE", url: `${url}?key=${key}` });
      t.equal(removed.statusCode, 200, `${key}: ${removed.body}`);
    }
    t.equal((await ask({ url })).statusCode, 404);
    const secrets = exported.secrets;
    const imported = await ask({ method: "POST", url: "/v1/import", body: { secrets } });
    t.match(imported.json(), { results: [{ path, outcome: "created" }] });
    await shown();
    const gone = { data: { ...inheritedNames(() => null), other: b64("x") }, metadata: { labels: null } };
    const patch = (body: object) =>
      ask({ method: "PATCH", url, payload: JSON.stringify(body), headers: merge });
    t.equal((await patch(gone)).statusCode, 200);
    t.same(Object.keys((await ask({ url })).json().data), ["other"]);
    t.equal((await patch({ data: { ...data, other: null }, metadata })).statusCode, 200);
    await shown();
  });
}

t.test("a key that is not there is not taken from what objects inherit", async (t) => {
  const { ask } = writableAgent(t);
  const url = "/v1/secrets/a";
  await ask({ method: "PUT", url, body: { data: { x: "" } } });
  for (const key of INHERITED_NAMES) {
    t.match((await ask({ method: "DELETE", url: `${url}?key=${key}` })).json(), { code: "KEY_NOT_FOUND" });
  }
  const inherited = '{"__proto__":{"data":{"x":""}}}';
  const json = { "content-type": "application/json" };
  t.match((await ask({ method: "PUT", url, payload: inherited, headers: json })).json(), {
    code: "INVALID_REQUEST",
  });
});

t.test("DELETE takes an empty body whatever its media type is called, and PUT does not", async (t) => {
  const { ask } = writableAgent(t);
  const url = "/v1/secrets/a";
  const headers = { "content-type": "application/json" };
  await ask({ method: "PUT", url, body: { data: { x: "" } } });
  t.match((await ask({ method: "PUT", url, payload: "", headers })).json(), { code: "INVALID_JSON" });
  t.equal((await ask({ method: "DELETE", url, payload: "", headers })).statusCode, 200);
});
