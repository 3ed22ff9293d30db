// SPDX-License-Identifier: Apache-2.0
// docs/agent-api.md is true: each example is sent to an agent, and each route, code and metric it names exists.
import { readFileSync } from "node:fs";
import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { buildAgentApp } from "../../server/agent/app.ts";
import { unavailable } from "../../server/agent/store.ts";
import { errors } from "../../server/http/errors.ts";

const text = readFileSync(new URL("../../docs/agent-api.md", import.meta.url), "utf8");

type Example = {
  url: string;
  headers: Record<string, string>;
  status: number;
  unplugged: boolean;
  body: string;
};

/** An example: the request line, headers, the status, the body. */
const examples = [
  ...text.matchAll(/```http\nGET (\S+)\n((?:[A-Za-z-]+: .*\n)*)(\d{3})(.*)\n([^`]*)```/g),
].map(
  ([, url = "", headers = "", status, rest = "", body = ""]): Example => ({
    url,
    headers: Object.fromEntries(
      headers
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    ),
    status: Number(status),
    unplugged: rest.includes("unplugged"),
    body,
  }),
);

t.test("the examples", async (t) => {
  const store = createMemoryStore("token-a");
  store.put("secrets/shop/db", { user: "shop", pass: "example" });
  const device = { idVendor: "2e8a\n", idProduct: "10fd\n", serial: "E6614\n" };
  const app = buildAgentApp({
    store,
    logger: pino({ level: "silent" }),
    registry: new Registry(),
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    device: "hsm-a",
    node: "node-a",
    sysfsRoot: t.testdir({ bus: { usb: { devices: { "1-2": device } } } }),
  });
  t.teardown(() => app.close());
  t.equal(examples.length, text.match(/```http/g)?.length, "all are understood");
  for (const { url, headers, status, unplugged, body } of examples) {
    const message = 'no token with label "token-a" is present; the module shows no token';
    store.fail(unplugged ? unavailable("TOKEN_UNAVAILABLE", message) : undefined);
    const answer = await app.inject({ url, headers });
    t.equal(answer.statusCode, status, `GET ${url} is ${status}`);
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
  const variables = /_(FILE|ROOT|MS|NAME|CACHE)$/;
  for (const code of [...codes].filter((name) => !variables.test(name))) t.ok(code in errors, code);
  const registry = new Registry();
  const app = buildAgentApp({
    store: createMemoryStore(),
    logger: pino({ level: "silent" }),
    registry,
    auth: { tokenFiles: [], clientCertificates: false, loopback: true },
    device: "hsm-a",
    node: "node-a",
  });
  t.teardown(() => app.close());
  const told = new Set([...text.matchAll(/`(keyswitch_agent_\w+)/g)].map(([, name = ""]) => name));
  const made = registry.getMetricsAsArray().map(({ name }) => name);
  t.same([...told].sort(), made.filter((name) => name.startsWith("keyswitch_agent_")).sort(), "every metric");
  for (const [, route = ""] of text.matchAll(/^\| `GET (\/[a-z0-9/]+)/gm)) {
    t.ok(app.hasRoute({ method: "GET", url: route.endsWith("/") ? `${route}*` : route }), route);
  }
});
