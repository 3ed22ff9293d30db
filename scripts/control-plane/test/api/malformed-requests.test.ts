// SPDX-License-Identifier: Apache-2.0
// Tests malformed requests: each gets a Status with a 4xx code, and the server continues.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import fc from "fast-check";
import t from "tap";
import { type Json, type JsonObject, toJson } from "../../api/json.ts";
import { deployment, deployments, gadget, gadgetDefinition, gadgets } from "./gadget-definition.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);
const targets: [path: string, valid: JsonObject][] = [
  [gadgets, gadget("fuzzed", { colour: "red", parts: [{ id: "a" }], tags: ["x"], free: { a: 1 }, port: 1 })],
  [deployments, deployment("fuzzed")],
  [
    "/api/v1/namespaces/demo/secrets",
    { apiVersion: "v1", kind: "Secret", metadata: { name: "fuzzed" }, data: { a: "eA==" } },
  ],
  [
    "/api/v1/namespaces/demo/services",
    { apiVersion: "v1", kind: "Service", metadata: { name: "fuzzed" }, spec: { ports: [{ port: 1 }] } },
  ],
  ["/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "fuzzed" } }],
  ["/apis/apiextensions.k8s.io/v1/customresourcedefinitions", gadgetDefinition],
];
for (const [path, valid] of targets) await server.call("POST", path, valid); // so that updates have something to meet
const anyJson = fc.jsonValue({ maxDepth: 3 }).map((value): Json => toJson(value));

/** The places of a document, as paths. */
const places = (value: Json, path: string[] = []): string[][] => {
  const below = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [path, ...below.flatMap(([key, item]) => places(item ?? null, [...path, key]))];
};

/** The document with another value at a path. */
const replaced = (value: Json, path: string[], other: Json): Json => {
  const [key, ...rest] = path;
  if (key === undefined) return other;
  const change = (item: Json | undefined) => replaced(item ?? null, rest, other);
  if (Array.isArray(value)) return value.map((item, index) => (String(index) === key ? change(item) : item));
  if (typeof value === "object" && value !== null) return { ...value, [key]: change(value[key]) };
  return value;
};

const fuzzed = fc
  .constantFrom(...targets)
  .chain(([path, valid]) =>
    fc.tuple(fc.constant(path), fc.constant(valid), fc.constantFrom(...places(valid)), anyJson),
  );

t.test("bodies with one place replaced", async (t) => {
  const codes = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fuzzed,
      fc.constantFrom("POST", "PUT", "apply", "merge", "strategic"),
      async (input, how) => {
        const [path, valid, place, other] = input;
        const body = replaced(valid, place, other);
        const name = path.endsWith("definitions") ? "gadgets.example.org" : "fuzzed";
        const types: { [how: string]: string } = {
          apply: "application/apply-patch+yaml",
          merge: "application/merge-patch+json",
          strategic: "application/strategic-merge-patch+json",
        };
        const type = types[how];
        const answer =
          how === "POST"
            ? await server.call("POST", `${path}?dryRun=All`, body)
            : await server.call(
                type ? "PATCH" : "PUT",
                `${path}/${name}?dryRun=All&fieldManager=f`,
                body,
                type,
              );
        codes.set(answer.code, (codes.get(answer.code) ?? 0) + 1);
        const isUndeclared =
          answer.code === 500 && /field not declared in schema/.test(String(answer.body.message));
        if (answer.code >= 500 && !isUndeclared) {
          throw new Error(`${answer.code} ${JSON.stringify(answer.body)}`);
        }
      },
    ),
    { numRuns: 1500, seed: 20261122 },
  );
  t.ok((codes.get(422) ?? 0) > 20, `codes: ${JSON.stringify([...codes])}`);
});

t.test("requests that are no requests", async (t) => {
  const raw = async (method: string, path: string, body?: Buffer, type = "application/json") => {
    const init = {
      method,
      headers: { "content-type": type },
      ...(body ? { body: new Uint8Array(body) } : {}),
    };
    return (await fetch(server.url + path, init)).status;
  };
  const rows: [string, number, string, string, Buffer?, string?][] = [
    ["a body that is not JSON", 400, "POST", gadgets, Buffer.from("{")],
    ["no body", 400, "POST", gadgets],
    [
      "a kind and version that can't be made a text",
      400,
      "POST",
      gadgets,
      Buffer.from('{"kind": {"toString": 1}, "apiVersion": {"toString": null}}'),
    ],
    ["a body over 3 MiB", 413, "POST", gadgets, Buffer.alloc(3 * 1024 * 1024 + 1, 0x20)],
    ["random bytes", 400, "POST", gadgets, randomBytes(64)],
    ["a protobuf envelope of nothing", 415, "POST", gadgets, Buffer.from("6b387300", "hex")],
    ["a protobuf envelope that is cut off", 415, "POST", gadgets, Buffer.from("6b3873000aff", "hex")],
    ["an unknown patch type", 415, "PATCH", `${gadgets}/x`, Buffer.from("{}"), "text/plain"],
    [
      "a patch of what is missing",
      404,
      "PATCH",
      `${gadgets}/x`,
      Buffer.from("{}"),
      "application/merge-patch+json",
    ],
    [
      "a JSON patch that is an object",
      400,
      "PATCH",
      "/api/v1/namespaces/demo",
      Buffer.from("{}"),
      "application/json-patch+json",
    ],
    ["a path with broken escapes", 404, "GET", "/api/v1/namespaces/%ff/secrets"],
    ["an unknown subresource", 404, "GET", `${gadgets}/x/logs`],
    ["a verb that does not fit", 405, "POST", `${gadgets}/x`, Buffer.from("{}")],
    ["a malformed selector", 400, "GET", `${gadgets}?labelSelector=a%20b%20c`],
    ["a malformed version", 400, "GET", `${gadgets}?watch=true&resourceVersion=soon`],
    ["a malformed dryRun", 400, "POST", `${gadgets}?dryRun=Some`, Buffer.from("{}")],
    ["a path of nothing", 404, "GET", "/nothing"],
  ];
  for (const [sentence, code, method, path, body, type] of rows) {
    t.equal(await raw(method, path, body, type), code, sentence);
  }
});

t.test("requests from web pages and under another host's name are refused", async (t) => {
  const page = await fetch(server.url + gadgets, { headers: { origin: "https://example.org" } });
  t.equal(page.status, 403);
  const renamed = request(server.url + gadgets, { headers: { host: "rebound.example.org" } });
  renamed.end();
  const [response]: unknown[] = await once(renamed, "response");
  t.match(response, { statusCode: 403 });
  renamed.destroy();
});
