// SPDX-License-Identifier: Apache-2.0
// Tests changes that the server rejects: immutable fields, older versions, other objects.
import t from "tap";
import type { Json, JsonObject } from "../../api/json.ts";
import { deployment, deployments, gadget, gadgets } from "./gadget-definition.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);
const secrets = "/api/v1/namespaces/demo/secrets";
const secret = (name: string, rest: JsonObject): JsonObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name },
  ...rest,
});
const byte = (value: string) => Buffer.from(value).toString("base64");

t.test("changes that are refused", async (t) => {
  await server.call("POST", gadgets, gadget("named", { colour: "red", name: "abc" }));
  const merge = (path: string, body: Json) =>
    server.call("PATCH", path, body, "application/merge-patch+json");
  const renamed = await merge(`${gadgets}/named`, { spec: { name: "other" } });
  t.match(renamed.body, { code: 422, message: /spec: Invalid value: "object": name is immutable/ });
  const removed = await merge(`${gadgets}/named`, { spec: { name: null } });
  t.match(removed.body, { code: 422, message: /name is immutable/ });
  t.equal((await merge(`${gadgets}/named`, { spec: { size: 4 } })).code, 200, "another field may change");

  await server.call("POST", secrets, secret("typed", { type: "Opaque", data: { a: byte("1") } }));
  const retyped = await merge(`${secrets}/typed`, { type: "other" });
  t.match(retyped.body, {
    code: 422,
    message: 'Secret "typed" is invalid: type: Invalid value: "other": field is immutable',
  });
  t.equal((await merge(`${secrets}/typed`, { immutable: true })).code, 200);
  const changed = await merge(`${secrets}/typed`, { data: { a: byte("2") } });
  t.match(changed.body, {
    code: 422,
    message: /data: Forbidden: field is immutable when `immutable` is set/,
  });
  const freed = await merge(`${secrets}/typed`, { immutable: false });
  t.match(freed.body, { code: 422, message: /immutable: Forbidden/ });
  t.equal(
    (await merge(`${secrets}/typed`, { metadata: { labels: { a: "b" } } })).code,
    200,
    "labels may change",
  );

  await server.call("POST", deployments, deployment("d"));
  const selected = await merge(`${deployments}/d`, {
    spec: { selector: { matchLabels: { app: "e" } }, template: { metadata: { labels: { app: "e" } } } },
  });
  t.match(selected.body, { code: 422, message: /spec.selector: Invalid value: .*: field is immutable/ });
});

t.test("an update from an older version, of another object, of nothing", async (t) => {
  const { body } = await server.call("POST", gadgets, gadget("versioned"));
  const put = (metadata: JsonObject) =>
    server.call("PUT", `${gadgets}/versioned`, gadget("versioned", { colour: "green" }, metadata));
  t.match((await put({ resourceVersion: "1" })).body, {
    code: 409,
    reason: "Conflict",
    message:
      'Operation cannot be fulfilled on gadgets.example.org "versioned": the object has been modified; please apply your changes to the latest version and try again',
    details: { name: "versioned", group: "example.org", kind: "gadgets" },
  });
  t.match((await put({ uid: "another" })).body, {
    code: 409,
    message: /Precondition failed: UID in precondition: another/,
  });
  t.equal((await put({ resourceVersion: String(Object(body.metadata).resourceVersion) })).code, 200);
  const missing = await server.call("PUT", `${gadgets}/missing`, gadget("missing"));
  t.match(missing.body, {
    code: 404,
    reason: "NotFound",
    message: 'gadgets.example.org "missing" not found',
  });
  const again = await server.call("POST", gadgets, gadget("versioned"));
  t.match(again.body, {
    code: 409,
    reason: "AlreadyExists",
    message: 'gadgets.example.org "versioned" already exists',
  });
});
