// SPDX-License-Identifier: Apache-2.0
// Tests docs/agent-api.md: sends each example to an agent, and checks that each route, code and metric exists.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { errors } from "../../hooks/error-codes.ts";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { bearerTokenFiles, buildAgentApp } from "../../server/agent/app.ts";
import { openSet } from "../../server/agent/role/open-set.ts";
import { unavailable } from "../../server/agent/store.ts";

const text = readFileSync(new URL("../../docs/agent-api.md", import.meta.url), "utf8");

const METHODS = ["GET", "PUT", "PATCH", "DELETE", "POST"] as const;
type Method = (typeof METHODS)[number];
const methodOf = (name: string): Method => {
  const known = METHODS.find((method) => method === name);
  if (known === undefined) throw new Error(`docs/agent-api.md has the method ${name}`);
  return known;
};

type Example = {
  method: Method;
  url: string;
  headers: Record<string, string>;
  /** What is sent. */
  payload: string;
  status: number;
  unplugged: boolean;
  /** What is answered. */
  body: string;
};

/** An example: the request line, headers, a body of JSON, the status, the body of the answer. */
const EXAMPLE = /```http\n([A-Z]+) (\S+)\n((?:[A-Za-z-]+: .*\n)*)((?:[{} ].*\n)*)(\d{3})(.*)\n([^`]*)```/g;
const examples = [...text.matchAll(EXAMPLE)].map(
  ([, method = "", url = "", headers = "", payload = "", status, rest = "", body = ""]): Example => ({
    method: methodOf(method),
    url,
    headers: Object.fromEntries(
      headers
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
    ),
    payload,
    status: Number(status),
    unplugged: rest.includes("unplugged"),
    body,
  }),
);

t.test("the examples", async (t) => {
  const store = createMemoryStore("token-a", { pin: "648219" });
  store.put("secrets/shop/db", { user: "shop", pass: "example" });
  const device = { idVendor: "2e8a\n", idProduct: "10fd\n", serial: "E6614\n" };
  const bearerToken = randomBytes(24).toString("base64url");
  const root = t.testdir({ token: bearerToken, sys: { bus: { usb: { devices: { "1-2": device } } } } });
  const app = buildAgentApp({
    store,
    logger: pino({ level: "silent" }),
    registry: new Registry(),
    auth: {
      tokenFiles: bearerTokenFiles({ writeTokenFile: join(root, "token") }),
      clientCertificates: false,
      loopback: true,
    },
    device: "hsm-a",
    node: "node-a",
    sysfsRoot: join(root, "sys"),
  });
  t.teardown(() => app.close());
  t.equal(examples.length, text.match(/```http/g)?.length, "all are understood");
  for (const { method, url, headers, payload, status, unplugged, body } of examples) {
    const message = 'no token with label "token-a" is present; the module shows no token';
    store.fail(unplugged ? unavailable("TOKEN_UNAVAILABLE", message) : undefined);
    const sent = {
      authorization: `Bearer ${bearerToken}`,
      ...(payload !== "" && { "content-type": "application/json" }),
      ...headers,
    };
    const answer = await app.inject({ method, url, headers: sent, ...(payload !== "" && { payload }) });
    t.equal(answer.statusCode, status, `${method} ${url} is ${status}`);
    if (body !== "") t.same(answer.json(), JSON.parse(body));
    else t.equal(answer.body, "");
  }
});

t.test("the names", async (t) => {
  const codes = new Set(
    [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+|INTERNAL|TIMEOUT|FORBIDDEN|UNAUTHENTICATED)`/g)].map(
      ([, code = ""]) => code,
    ),
  );
  const variables = /_(FILE|ROOT|MS|NAME|CACHE|OBJECTS)$/;
  for (const code of [...codes].filter((name) => !variables.test(name))) t.ok(code in errors, code);
  const registry = new Registry();
  const [store, logger] = [createMemoryStore(), pino({ level: "silent" })];
  const app = buildAgentApp({
    store,
    set: openSet({ config: { deviceName: "hsm-a", nodeName: "node-a" }, store, logger }),
    logger,
    registry,
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    device: "hsm-a",
    node: "node-a",
  });
  t.teardown(() => app.close());
  const metrics = new Set([...text.matchAll(/`(keyswitch_agent_\w+)/g)].map(([, name = ""]) => name));
  const made = registry.getMetricsAsArray().map(({ name }) => name);
  t.same(
    [...metrics].sort(),
    made.filter((name) => name.startsWith("keyswitch_agent_")).sort(),
    "every metric",
  );
  await app.ready();
  const told = new Set<string>();
  for (const [, method = "", path = ""] of text.matchAll(/^\| `([A-Z]+) (\/[a-z0-9/]+)/gm)) {
    const url = path.endsWith("/") ? `${path}*` : path;
    told.add(`${method} ${url}`);
    t.ok(app.hasRoute({ method: methodOf(method), url }), `${method} ${url}`);
  }
  for (const method of METHODS) {
    for (const url of ["/v1/secrets", "/v1/secrets/*", "/v1/info", "/v1/devices", "/v1/refresh"].concat([
      "/v1/import",
      "/v1/export",
      "/v1/repack",
      "/v1/pin",
      "/v1/role",
      "/v1/mirror/holding",
      "/v1/mirror/secrets/*",
      "/v1/mirror/pull",
      "/v1/mirror/diverged",
      "/v1/mirror/resolve",
      "/v1/mirror/adopt",
    ])) {
      if (app.hasRoute({ method, url })) t.ok(told.has(`${method} ${url}`), `${method} ${url} is told`);
    }
  }
});
