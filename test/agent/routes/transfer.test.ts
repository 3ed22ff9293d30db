// SPDX-License-Identifier: Apache-2.0
// Tests import, export and repack over the in-memory store: the result for each secret, and what is rejected as a whole.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { MAX_SECRET_BYTES } from "../../../hooks/formats.ts";
import { EXPORT_BYTES } from "../../../server/agent/routes/export-route.ts";
import { type SecretStore, unavailable } from "../../../server/agent/store.ts";
import { b64, writableAgent } from "../writable-agent.ts";

const [first, second] = [randomBytes(9), randomBytes(9)];
const sumOf = (data: Record<string, Uint8Array>): string => checksum(Object.entries(data));
const item = (path: string, value: Uint8Array = first) => ({ path, data: { user: b64(value) } });
const importing = (body: object) => ({ method: "POST", url: "/v1/import", body }) as const;

t.test("an import makes what is not there, and what is there is as ifExists says", async (t) => {
  const rows: [ifExists: object, outcome: string, expected: Uint8Array][] = [
    [{}, "skipped", second],
    [{ ifExists: "skip" }, "skipped", second],
    [{ ifExists: "replace" }, "changed", first],
    [{ ifExists: "fail" }, "failed", second],
  ];
  for (const [ifExists, outcome, expected] of rows) {
    const { ask, store, audits, shown } = writableAgent(t);
    store.put("a/other", { user: second });
    store.put("a/same", { user: first });
    const secrets = [item("a/new"), item("a/other"), item("a/same")];
    const answer = await ask(importing({ secrets, ...ifExists }));
    t.equal(answer.statusCode, 200);
    t.equal(answer.headers["cache-control"], "no-store");
    const { device, results } = answer.json();
    t.equal(device, "hsm-a");
    t.match(
      results,
      [
        { path: "a/new", outcome: "created", checksum: sumOf({ user: first }) },
        { path: "a/other", outcome, checksum: sumOf({ user: expected }) },
        { path: "a/same", outcome: "unchanged", checksum: sumOf({ user: first }) },
      ],
      JSON.stringify(ifExists),
    );
    t.equal(results[1].code, outcome === "failed" ? "PRECONDITION_FAILED" : undefined);
    t.match(await store.read("a/other"), { checksum: sumOf({ user: expected }) });
    const after = outcome === "changed" ? first : second;
    t.match(audits(), [
      { audit: "import", path: "a/new", keys: ["user"], outcome: "created", before: null },
      {
        audit: "import",
        path: "a/other",
        outcome: outcome === "failed" ? "PRECONDITION_FAILED" : outcome,
        before: shown(sumOf({ user: second })),
        after: shown(sumOf({ user: after })),
      },
      { audit: "import", path: "a/same", outcome: "unchanged" },
    ]);
    t.equal(audits().length, 3, "one line for each");
  }
});

t.test("an export is imported into another token, and then all is unchanged", async (t) => {
  const [from, to] = [writableAgent(t), writableAgent(t)];
  const metadata = { description: "shop", labels: { team: "a", "sync.version": "4" } };
  from.store.put("a/db", { user: first, pass: second, empty: "" }, { metadata });
  from.store.put("a/tls", { "tls.key": randomBytes(3000) }, { layout: "per-key" });
  from.store.put("b/db", { user: first });
  const exported = await from.ask({ url: "/v1/export?prefix=a/" });
  t.equal(exported.statusCode, 200);
  t.equal(exported.headers["cache-control"], "no-store");
  const { device, secrets } = exported.json();
  t.equal(device, "hsm-a");
  t.match(secrets, [
    {
      path: "a/db",
      data: { user: b64(first), pass: b64(second), empty: "" },
      metadata: { description: "shop", labels: { team: "a" } },
      checksum: sumOf({ user: first, pass: second, empty: Buffer.alloc(0) }),
      version: 1,
    },
    { path: "a/tls" },
  ]);
  t.equal(secrets.length, 2);
  t.notOk("sync.version" in secrets[0].metadata.labels, "without the agent's own labels");
  t.match(from.audits(), [{ audit: "export", prefix: "a/", outcome: "exported", count: 2 }]);
  const outcomes = async () =>
    (await to.ask(importing({ secrets }))).json().results.map(({ outcome }: { outcome: string }) => outcome);
  t.same(await outcomes(), ["created", "created"]);
  t.same((await to.ask({ url: "/v1/export" })).json().secrets, secrets);
  t.same(await outcomes(), ["unchanged", "unchanged"]);
});

const malformed: [sentence: string, secrets: object[], field: string, code?: string][] = [
  ["no path", [item("a"), { data: { user: "" } }], "body.secrets[1].path"],
  ["a path that is none", [item("a"), item("b"), item("b//c")], "body.secrets[2].path"],
  ["the path of metadata", [item("a"), item("b/_metadata")], "body.secrets[1].path"],
  ["a path that is there twice", [item("a"), item("b"), item("a")], "body.secrets[2].path"],
  ["no keys", [item("a"), { path: "b", data: {} }], "body.secrets[1].data"],
  ["a key that is none", [{ path: "b", data: { _metadata: "" } }], "body.secrets[0].data._metadata"],
  ["no base64", [item("a"), { path: "b", data: { user: "x" } }], "body.secrets[1].data.user"],
  ["an unknown field", [item("a"), { ...item("b"), keys: [] }], "body.secrets[1].keys"],
  ["no checksum", [item("a"), { ...item("b"), checksum: "x" }], "body.secrets[1].checksum"],
  [
    "values above the limit",
    [item("a"), { path: "b", data: { user: b64(new Uint8Array(MAX_SECRET_BYTES + 1)) } }],
    "body.secrets[1].data",
    "SECRET_TOO_LARGE",
  ],
];
t.test("an import with anything malformed is refused whole", async (t) => {
  const { ask, held } = writableAgent(t);
  const before = await held();
  for (const [sentence, secrets, field, code = "INVALID_REQUEST"] of malformed) {
    const answer = await ask(importing({ secrets }));
    t.equal(answer.statusCode, code === "INVALID_REQUEST" ? 400 : 413, sentence);
    t.match(answer.json(), { code, details: [{ field }] });
  }
  const many = Array.from({ length: 1001 }, (_, index) => item(`a/${index}`));
  const answer = await ask(importing({ secrets: many }));
  t.match(answer.json(), { code: "INVALID_REQUEST", details: [{ field: "body.secrets" }] }, "1001 secrets");
  t.match((await ask(importing({ secrets: [], ifExists: "merge" }))).json(), { code: "INVALID_REQUEST" });
  t.same(await held(), before, "nothing is written");
});

t.test("an import may be larger than other bodies", async (t) => {
  const { ask } = writableAgent(t);
  const value = b64(randomBytes(1_000_000));
  const secrets = Array.from({ length: 7 }, (_, index) => ({ path: `a/${index}`, data: { user: value } }));
  const answer = await ask(importing({ secrets }));
  t.equal(answer.statusCode, 200);
  t.equal(answer.json().results.length, 7);
  t.equal((await ask({ url: "/v1/export" })).statusCode, 200, "and so may an export");
  const tooLarge = {
    payload: " ".repeat(16 * 1024 * 1024 + 1),
    headers: { "content-type": "application/json" },
  };
  t.match((await ask({ method: "POST", url: "/v1/import", ...tooLarge })).json(), {
    code: "PAYLOAD_TOO_LARGE",
  });
});

/** A store whose changes of these paths come to something else. */
const failing = (
  store: SecretStore,
  ends: Readonly<Record<string, Awaited<ReturnType<SecretStore["change"]>>>>,
) => {
  const { change } = store;
  const tried: string[] = [];
  store.change = async (path, ...rest) => {
    tried.push(path);
    return ends[path] ?? change(path, ...rest);
  };
  return tried;
};

t.test("a secret that fails does not stop the others", async (t) => {
  const { ask, store } = writableAgent(t);
  failing(store, {
    b: { kind: "refused", code: "TOKEN_FULL", message: "128 objects are the limit" },
    c: { kind: "uncertain", message: "cut" },
    d: unavailable("STORAGE_INVALID", "two objects"),
  });
  const { results } = (
    await ask(importing({ secrets: ["a", "b", "c", "d", "e"].map((path) => item(path)) }))
  ).json();
  t.same(results, [
    { path: "a", outcome: "created", checksum: sumOf({ user: first }) },
    { path: "b", outcome: "failed", code: "TOKEN_FULL", message: "128 objects are the limit" },
    { path: "c", outcome: "failed", code: "WRITE_UNCERTAIN", message: "cut" },
    { path: "d", outcome: "failed", code: "STORAGE_INVALID", message: "two objects" },
    { path: "e", outcome: "created", checksum: sumOf({ user: first }) },
  ]);
});

t.test("once the token can't be read, the rest is not tried", async (t) => {
  const { ask, store, audits } = writableAgent(t);
  const tried = failing(store, {});
  const { change } = store;
  store.change = async (path, ...rest) => {
    if (path === "b") store.fail(unavailable("TOKEN_UNAVAILABLE", "pulled out"));
    return change(path, ...rest);
  };
  const { results } = (
    await ask(importing({ secrets: ["a", "b", "c", "d"].map((path) => item(path)) }))
  ).json();
  t.match(results, [
    { path: "a", outcome: "created" },
    { path: "b", outcome: "failed", code: "TOKEN_UNAVAILABLE", message: "pulled out" },
    { path: "c", outcome: "failed", code: "TOKEN_UNAVAILABLE", message: "not tried: pulled out" },
    { path: "d", outcome: "failed", code: "TOKEN_UNAVAILABLE", message: "not tried: pulled out" },
  ]);
  t.same(tried, ["a", "b"]);
  t.match(audits().at(-1), { path: "d", outcome: "TOKEN_UNAVAILABLE" });
});

t.test("an export is complete, or it fails", async (t) => {
  const { ask, store, audits } = writableAgent(t);
  for (const path of ["a", "b", "c"]) store.put(path, { user: first });
  const { read, list } = store;
  store.read = async (path) => (path === "b" ? unavailable("STORAGE_INVALID", "two objects") : read(path));
  const invalid = await ask({ url: "/v1/export" });
  t.equal(invalid.statusCode, 503);
  t.match(invalid.json(), { code: "STORAGE_INVALID", message: /^b can't be read: two objects/ });
  t.match(audits().at(-1), { audit: "export", outcome: "STORAGE_INVALID" });

  store.read = async (path) => (path === "b" ? { kind: "absent" } : read(path));
  const gone = (await ask({ url: "/v1/export" })).json().secrets;
  t.same(
    gone.map(({ path }: { path: string }) => path),
    ["a", "c"],
    "what is deleted meanwhile is left out",
  );

  store.read = read;
  store.list = async (prefix) => ({ ...(await list(prefix)), invalid: ["d", "e"] });
  const unlisted = await ask({ url: "/v1/export" });
  t.equal(unlisted.statusCode, 503);
  t.match(unlisted.json(), { code: "STORAGE_INVALID", message: /d, e/ }, "what a list leaves out is named");

  store.list = list;
  store.fail(unavailable("TIMEOUT", "slow", 3));
  const slow = await ask({ url: "/v1/export" });
  t.equal(slow.statusCode, 503);
  t.equal(slow.headers["retry-after"], "3");
});

t.test("an export of too much is refused before anything is read", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put("a/small", { user: first });
  store.put("b/large", { user: new Uint8Array(EXPORT_BYTES) });
  store.read = () => t.fail("read") as never;
  const answer = await ask({ url: "/v1/export" });
  t.equal(answer.statusCode, 400);
  t.match(answer.json(), { details: [{ field: "querystring.prefix", message: `${EXPORT_BYTES}` }] });
  t.equal((await ask({ url: "/v1/export?prefx=a" })).statusCode, 400);
});

t.test("a repack moves to the other layout and back", async (t) => {
  const { ask, store, audits, shown } = writableAgent(t);
  store.put("a", { user: first });
  store.put("b", { user: first }, { layout: "per-key" });
  const repack = async (body: object) => ask({ method: "POST", url: "/v1/repack", body });
  const own = await repack({ paths: ["a", "b", "c"] });
  t.equal(own.statusCode, 200);
  t.same(own.json(), {
    device: "hsm-a",
    results: [
      { path: "a", outcome: "unchanged", checksum: sumOf({ user: first }) },
      { path: "b", outcome: "repacked", checksum: sumOf({ user: first }) },
      {
        path: "c",
        outcome: "failed",
        code: "SECRET_NOT_FOUND",
        message: "The token holds nothing at this path.",
      },
    ],
  });
  t.match(audits(), [
    { audit: "repack", path: "a", outcome: "unchanged" },
    { audit: "repack", path: "b", outcome: "repacked", before: shown(sumOf({ user: first })) },
    { audit: "repack", path: "c", outcome: "SECRET_NOT_FOUND" },
  ]);
  t.match(await store.read("b"), { layout: "packed" });
  t.match((await repack({ paths: ["b"], layout: "per-key" })).json().results, [{ outcome: "repacked" }]);
  t.match(await store.read("b"), { layout: "per-key" });
  const twice = (await repack({ paths: ["a", "b", "a", "c//d"] })).json();
  t.match(twice, { details: [{ field: "body.paths[2]" }, { field: "body.paths[3]" }] });
  t.match((await repack({ paths: ["a"], layout: "flat" })).json(), { code: "INVALID_REQUEST" });
  store.fail(unavailable("PIN_LOCKED", "locked"));
  t.equal((await repack({ paths: ["a"] })).statusCode, 503);
  t.match(audits().at(-1), { audit: "repack", outcome: "PIN_LOCKED" });
});
