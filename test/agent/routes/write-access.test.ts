// SPDX-License-Identifier: Apache-2.0
// Tests the write scope: every route of the router except those that read requires the write token, and changes nothing without
// it.
import { randomBytes } from "node:crypto";
import t from "tap";
import { type Ask, b64, writableAgent } from "../writable-agent.ts";

/** What a read token may do. Every other route must be refused to it. */
const READS = [
  "/healthz (GET, HEAD)",
  "/readyz (GET, HEAD)",
  "/metrics (GET, HEAD)",
  "/v1/secrets (GET, HEAD)",
  "/v1/secrets/* (GET, HEAD)",
  "/v1/info (GET, HEAD)",
  "/v1/devices (GET, HEAD)",
  "/v1/refresh (POST)",
];

type Route = { pattern: string; method: NonNullable<Ask["method"]> };

/** The routes of the router's own picture of itself. */
const routesOf = (picture: string): Route[] => {
  const parents: string[] = [];
  return picture.split("\n").flatMap((line) => {
    const [, indent, segment, methods] = /^((?:│ {3}| {4})*)[├└]── (\S+)(?: \((.*)\))?$/u.exec(line) ?? [];
    if (indent === undefined || segment === undefined) return [];
    const depth = indent.length / 4;
    const parent = depth === 0 ? "" : (parents[depth - 1] ?? "");
    parents[depth] = parent + (segment === "*" && !parent.endsWith("/") ? "/*" : segment);
    const pattern = parents[depth];
    return (methods?.split(", ") ?? []).map((method) => ({ pattern, method: method as Route["method"] }));
  });
};

const PATH = "secrets/a/db";
const value = randomBytes(9);
const data = { user: b64(value) };

/** A request that the route would take. */
const valid = ({ pattern, method }: Route, currentPin: string): Ask => {
  const url = pattern.replace("*", PATH);
  if (method === "PUT" || method === "PATCH") return { method, url, body: { data: { user: b64("other") } } };
  if (pattern === "/v1/import") {
    return {
      method,
      url,
      body: {
        secrets: [
          { path: PATH, data },
          { path: "new", data },
        ],
        ifExists: "replace",
      },
    };
  }
  if (pattern === "/v1/repack") return { method, url, body: { paths: [PATH], layout: "per-key" } };
  if (pattern === "/v1/repair") return { method, url, body: {} };
  if (pattern === "/v1/pin") return { method, url, body: { currentPin, newPin: "another-pin" } };
  return { method, url };
};

const isRead = ({ pattern, method }: Route): boolean =>
  READS.some((read) => {
    const [known, methods = ""] = read.split(" (");
    return known === pattern && methods.replace(")", "").split(", ").includes(method);
  });

t.test("without the write token every route that writes is refused and changes nothing", async (t) => {
  const setups: [
    what: string,
    options: { reader: boolean; writer: boolean },
    as: Ask["as"],
    status: number,
  ][] = [
    ["no token", { reader: true, writer: true }, "nobody", 401],
    ["a read token", { reader: true, writer: true }, "reader", 403],
    ["a read token, and nobody may write", { reader: true, writer: false }, "reader", 403],
    [
      "the write token of an agent that has no write token file",
      { reader: true, writer: false },
      "writer",
      401,
    ],
    ["nothing, on loopback and without token files", { reader: false, writer: false }, "nobody", 403],
    ["a token, on loopback and without token files", { reader: false, writer: false }, "writer", 403],
  ];
  for (const [what, options, as, status] of setups) {
    const { app, ask, store, held, pin, audits } = writableAgent(t, options);
    await app.ready();
    store.put(PATH, { user: value });
    const before = await held();
    const writes = routesOf(app.printRoutes({ commonPrefix: false })).filter((route) => !isRead(route));
    t.ok(writes.length >= 8, `${writes.length} routes write`);
    for (const route of writes) {
      const answer = await ask({ ...valid(route, pin), ...(as && { as }) });
      t.equal(answer.statusCode, status, `${what}: ${route.method} ${route.pattern}`);
      if (route.method === "HEAD") continue;
      t.match(answer.json(), { code: status === 401 ? "UNAUTHENTICATED" : "FORBIDDEN" });
      t.match(audits().at(-1), { outcome: status === 401 ? "UNAUTHENTICATED" : "FORBIDDEN" }, "and told");
    }
    t.same(await held(), before, `${what}: the store holds what it held`);
  }
});

t.test("with the write token the same requests go through", async (t) => {
  const { app } = writableAgent(t);
  await app.ready();
  const routes = routesOf(app.printRoutes({ commonPrefix: false }));
  t.same(
    READS.filter((read) => !routes.some(({ pattern }) => read.startsWith(`${pattern} `))),
    [],
    "every route that reads is among those of the router",
  );
  for (const route of routes.filter((one) => !isRead(one))) {
    const agent = writableAgent(t);
    agent.store.put(PATH, { user: value });
    const before = await agent.held();
    const answer = await agent.ask(valid(route, agent.pin));
    t.ok(answer.statusCode < 300, `${route.method} ${route.pattern} is ${answer.statusCode}`);
    // An export changes nothing, and there is nothing to repair.
    const isIdle = ["/v1/export", "/v1/repair"].includes(route.pattern);
    if (!isIdle) t.notSame(await agent.held(), before);
  }
});

t.test("what reads is open to the read token, and on loopback without token files to all", async (t) => {
  for (const [options, as] of [
    [{ reader: true, writer: true }, "reader"],
    [{ reader: false, writer: false }, "nobody"],
  ] as const) {
    const { app, ask, store } = writableAgent(t, options);
    await app.ready();
    store.put(PATH, { user: value });
    for (const route of routesOf(app.printRoutes({ commonPrefix: false })).filter(isRead)) {
      const { statusCode } = await ask({ method: route.method, url: route.pattern.replace("*", PATH), as });
      t.equal(statusCode, 200, `${route.method} ${route.pattern}`);
    }
  }
});

t.test("info says whether the agent takes writes", async (t) => {
  for (const writer of [true, false]) {
    const { ask } = writableAgent(t, { writer });
    t.equal((await ask({ url: "/v1/info", as: "reader" })).json().writable, writer);
  }
});
