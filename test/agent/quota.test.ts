// SPDX-License-Identifier: Apache-2.0
// Tests writes with a quota: what is counted, that a rejected write changes nothing, and that two at once can't both take the
// last object.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { createQuotaEnforcer } from "../../server/agent/quota.ts";
import { type InfoResult, unavailable } from "../../server/agent/store.ts";
import { tokenFixture } from "./pkcs11/token-fixture.ts";
import { b64, writableAgent } from "./writable-agent.ts";
import { startWritableAgent } from "./writable-process.ts";

const prefix = "secrets/team-a/";
const path = (name: string) => `${prefix}${name}`;
const data = (bytes = 10) => ({ value: b64(randomBytes(bytes)) });
const values = (bytes = 10) => new Map([["value", randomBytes(bytes)]]);
const put = (bytes = 10) => ({ type: "put" as const, data: values(bytes) });

/** An agent over HTTP whose writer has this quota. */
const scene = (t: Test, limits: { objects?: number; bytes?: number }) => {
  const agent = writableAgent(t);
  const write = async (name: string, bytes?: number, method: "PUT" | "PATCH" = "PUT") => {
    const body = { data: data(bytes), quota: { prefix, ...limits } };
    return (await agent.ask({ method, url: `/v1/secrets/${name}`, body })).statusCode;
  };
  return { ...agent, write };
};

t.test("objects are counted, and only those of the namespace", async (t) => {
  const { ask, write, store, audits } = scene(t, { objects: 2 });
  store.put("secrets/team-b/x", { value: "x" });
  t.equal(await write(path("a")), 201);
  t.equal(await write(path("b")), 201);
  const refused = await ask({
    method: "PUT",
    url: `/v1/secrets/${path("c")}`,
    body: { data: data(), quota: { prefix, objects: 2 } },
  });
  t.equal(refused.statusCode, 507);
  t.match(refused.json(), {
    code: "QUOTA_EXCEEDED",
    message: /^secrets\/team-a\/ would have 3 objects .* is 2$/,
  });
  t.match(await store.read(path("c")), { kind: "absent" });
  t.match(audits().at(-1), { outcome: "QUOTA_EXCEEDED", path: path("c") });
  t.equal(await write(path("a")), 200, "what is there may change");
  t.equal(await write("secrets/shared/x"), 201, "another prefix is not counted");
  t.equal((await ask({ method: "DELETE", url: `/v1/secrets/${path("a")}` })).statusCode, 200);
  t.equal(await write(path("c")), 201, "and room that was made may be used");
});

t.test("bytes are counted, those of a patch with what stays", async (t) => {
  const { ask, write } = scene(t, { bytes: 100 });
  t.equal(await write(path("a"), 60), 201);
  t.equal(await write(path("b"), 41), 507);
  t.equal(await write(path("b"), 40), 201);
  t.equal(await write(path("b"), 41, "PATCH"), 507);
  t.equal(await write(path("b"), 39, "PATCH"), 200);
  const other = { data: { other: b64("xy") }, quota: { prefix, bytes: 100 } };
  t.equal((await ask({ method: "PATCH", url: `/v1/secrets/${path("b")}`, body: other })).statusCode, 507);
  t.equal(await write(path("a"), 62), 507);
});

t.test("a quota that was made smaller keeps what is there from growing, and from nothing else", async (t) => {
  const { write, store } = scene(t, { objects: 0, bytes: 5 });
  store.put(path("a"), { value: randomBytes(50) });
  t.equal(await write(path("a"), 51), 507);
  t.equal(await write(path("a"), 50), 200);
  t.equal(await write(path("a"), 20), 200);
});

t.test("a write without a quota is the administrator's", async (t) => {
  const { ask, write } = scene(t, { objects: 0 });
  t.equal(await write(path("a")), 507);
  t.equal(
    (await ask({ method: "PUT", url: `/v1/secrets/${path("a")}`, body: { data: data() } })).statusCode,
    201,
  );
});

t.test("a quota that is none is refused", async (t) => {
  const { ask } = writableAgent(t);
  for (const quota of [
    {},
    { prefix: "" },
    { prefix: "secrets/a" },
    { prefix, objects: -1 },
    { prefix, more: 1 },
  ]) {
    const url = `/v1/secrets/${path("a")}`;
    t.match((await ask({ method: "PUT", url, body: { data: data(), quota } })).json(), {
      code: "INVALID_REQUEST",
    });
  }
});

t.test("of many writes at once only as many are made as fit", async (t) => {
  const { write, store } = scene(t, { objects: 3 });
  const names = Array.from({ length: 20 }, (_, i) => path(`s${i}`));
  const statuses = await Promise.all(names.map((name) => write(name)));
  t.equal(statuses.filter((status) => status === 201).length, 3);
  t.equal(statuses.filter((status) => status === 507).length, 17);
  const listed = await store.list(prefix);
  t.equal(listed.kind === "listed" && listed.secrets.length, 3);
});

/** A store that says of its token what `described` has. */
const storeOf = (described: Partial<Extract<InfoResult, { kind: "info" }>>) => {
  const memory = createMemoryStore();
  const info = async (): Promise<InfoResult> => {
    const said = await memory.info();
    return said.kind === "info" ? { ...said, ...described } : said;
  };
  return { ...memory, info };
};

t.test("a secret counts for the objects that the token needs for it", async (t) => {
  const split = createQuotaEnforcer(storeOf({ maxObjectBytes: 1000 }));
  const change = (objects: number, bytes: number) =>
    split.change(path(`s${bytes}`), put(bytes), {}, { prefix, objects });
  t.match(await change(2, 2500), { kind: "over-quota" });
  t.match(await change(3, 2500), { kind: "written" });
  const perKey = createQuotaEnforcer(storeOf({ layout: "per-key" }));
  const write = (objects: number) => perKey.change(path("a"), put(), {}, { prefix, objects });
  t.match(await write(1), { kind: "over-quota" }, "one for the key and one for the metadata");
  t.match(await write(2), { kind: "written" });
});

t.test("a token that can't be asked is written by nobody who has a quota", async (t) => {
  const store = createMemoryStore();
  const quotas = createQuotaEnforcer({
    ...store,
    list: async () => unavailable("TIMEOUT", "no answer"),
  });
  t.match(await quotas.change(path("a"), put(), {}, { prefix, bytes: 1000 }), { kind: "unavailable" });
  t.match(await store.read(path("a")), { kind: "absent" });
});

t.test("a share of a token that takes few objects stays for the administrator", async (t) => {
  const fixture = await tokenFixture(t);
  const agent = await startWritableAgent(t, fixture, { PKCS11_MAX_OBJECTS: "6", RESERVED_OBJECTS: "2" });
  const write = async (name: string, quota?: object) => {
    const body = { data: data(), ...(quota && { quota }) };
    const { status, json } = await agent.ask("PUT", `/v1/secrets/${path(name)}`, { body });
    return [status, (json as { message?: string }).message] as const;
  };
  for (const name of ["a", "b", "c", "d"]) t.match(await write(name, { prefix }), [201]);
  t.match(await write("e", { prefix }), [
    507,
    "the token has 4 of 6 data objects, and 2 are kept for the administrator (RESERVED_OBJECTS)",
  ]);
  t.match(await write("a", { prefix }), [200], "what is there may change");
  t.match(await write("e"), [201], "the administrator's own write uses the share");
});

t.test(
  "without a number a tenth of it stays, and all is free where nobody knows how many it takes",
  async (t) => {
    const quotas = (objects: number, objectLimit: number | null) =>
      createQuotaEnforcer(storeOf({ objects, objectLimit })).change(path("a"), put(), {}, { prefix });
    t.match(await quotas(89, 100), { kind: "written" });
    t.match(await quotas(90, 100), { kind: "over-quota" });
    t.match(await quotas(11, 14), { kind: "written" });
    t.match(await quotas(12, 14), { kind: "over-quota" });
    t.match(await quotas(100_000, null), { kind: "written" });
  },
);
