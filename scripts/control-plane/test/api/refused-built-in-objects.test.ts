// SPDX-License-Identifier: Apache-2.0
// Tests Secrets and Deployments that the server rejects, and its messages.
import { randomBytes } from "node:crypto";
import t from "tap";
import type { JsonObject } from "../../api/json.ts";
import { deployment, deployments } from "./gadget-definition.ts";
import { checkRefusals, type Refusal } from "./refusals.ts";
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

const rows: Refusal[] = [
  [
    "a missing namespace",
    "/api/v1/namespaces/nowhere/secrets",
    secret("bad", {}),
    404,
    'namespaces "nowhere" not found',
  ],
  [
    "a Secret's key with a slash",
    secrets,
    secret("bad", { data: { "a/b": byte("x") } }),
    422,
    /data\[a\/b\]: Invalid value: "a\/b": a valid config key must consist of/,
  ],
  [
    "a Secret over 1 MiB",
    secrets,
    secret("bad", { data: { a: randomBytes(1024 * 1024 + 1).toString("base64") } }),
    422,
    'Secret "bad" is invalid: data: Too long: may not be more than 1048576 bytes',
  ],
  [
    "a TLS Secret without its keys",
    secrets,
    secret("bad", { type: "kubernetes.io/tls" }),
    422,
    /data\[tls.crt\]: Required value, data\[tls.key\]: Required value/,
  ],
  [
    "a docker Secret that is not JSON",
    secrets,
    secret("bad", { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": byte("x") } }),
    422,
    /data\[.dockerconfigjson\]: Invalid value: "<secret contents redacted>"/,
  ],
  [
    "an SSH Secret without its key",
    secrets,
    secret("bad", { type: "kubernetes.io/ssh-auth" }),
    422,
    /data\[ssh-privatekey\]: Required value/,
  ],
  [
    "a basic-auth Secret without either key",
    secrets,
    secret("bad", { type: "kubernetes.io/basic-auth" }),
    422,
    /data\[username\]: Required value/,
  ],
  [
    "a Deployment whose selector misses its template",
    deployments,
    deployment("bad", {}, { selector: { matchLabels: { app: "other" } } }),
    422,
    /`selector` does not match template `labels`/,
  ],
  [
    "a Deployment without an image",
    deployments,
    deployment("bad", { image: "" }),
    422,
    /spec.template.spec.containers\[0\].image: Required value/,
  ],
  [
    "a Deployment with negative replicas",
    deployments,
    deployment("bad", {}, { replicas: -1 }),
    422,
    /spec.replicas: Invalid value: -1: must be greater than or equal to 0/,
  ],
  [
    "a Deployment with text for replicas",
    deployments,
    deployment("bad", {}, { replicas: "3" }),
    400,
    /Deployment in version "v1" cannot be handled as a Deployment/,
  ],
  [
    "a mount of a volume that is not there",
    deployments,
    deployment("bad", { volumeMounts: [{ name: "v", mountPath: "/v" }] }),
    422,
    /volumeMounts\[0\].name: Not found: "v"/,
  ],
  [
    "an unknown field of a container, strictly",
    `${deployments}?fieldValidation=Strict`,
    deployment("bad", { imgae: "y" }),
    400,
    /unknown field "spec.template.spec.containers\[0\].imgae"/,
  ],
];

t.test("refusals", async (t) => {
  await checkRefusals(t, server, rows);
  t.same((await server.read(secrets)).items, [], "no Secret was stored");
  t.same((await server.read(deployments)).items, [], "no Deployment was stored");
});

t.test("a Secret's values are never quoted", async (t) => {
  const value = randomBytes(12).toString("hex");
  const bodies: JsonObject[] = [
    secret("bad", { data: { a: `%${value}` } }),
    secret("bad", { data: { a: { [value]: 1 } } }),
    secret("bad", { data: value }),
    secret("bad", { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": byte(value) } }),
  ];
  for (const body of bodies) {
    const answer = await server.call("POST", secrets, body);
    t.ok(answer.code === 400 || answer.code === 422, JSON.stringify(answer.code));
    t.notMatch(JSON.stringify(answer.body), value);
    t.notMatch(JSON.stringify(answer.body), byte(value));
  }
});
