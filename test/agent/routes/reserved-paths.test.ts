// SPDX-License-Identifier: Apache-2.0
// Tests that no client reads, lists, counts or writes what the agent keeps on the token for itself, and what a client sees of a stamp.
import t from "tap";
import { SET_PATH } from "../../../server/agent/mirror/member.ts";
import { type Ask, b64, writableAgent } from "../writable-agent.ts";

const body = { data: { a: b64("x") } };
const secret = (path: string) => ({ path, ...body });
const url = `/v1/secrets/${SET_PATH}`;

/** The path itself, one whose key would have its label, and one of which it would be a key. */
const PATHS = [SET_PATH, "keyswitch/1", `${SET_PATH}/set`];

t.test("reads don't find it", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put(SET_PATH, { set: "x" });
  store.put("keyswitch/10/set", { a: "x" });
  for (const as of ["reader", "writer"] as const) {
    for (const method of ["GET", "HEAD"] as const) {
      t.equal((await ask({ url, method, as })).statusCode, 404, `${method} as ${as}`);
    }
    t.equal((await ask({ url, as })).json().code, "SECRET_NOT_FOUND");
    for (const prefix of ["", "keyswitch/", SET_PATH]) {
      const listed = (await ask({ url: `/v1/secrets?prefix=${prefix}`, as })).json();
      const others = prefix === SET_PATH ? [] : ["keyswitch/10/set"];
      t.same(
        listed.secrets.map(({ path }: { path: string }) => path),
        others,
        `below ${JSON.stringify(prefix)}`,
      );
      t.same(listed.invalid, []);
    }
  }
  const exported = (await ask({ url: "/v1/export" })).json();
  t.same(
    exported.secrets.map(({ path }: { path: string }) => path),
    ["keyswitch/10/set"],
  );
});

const writes: [name: string, ask: (path: string) => Ask][] = [
  ["PUT", (path) => ({ method: "PUT", url: `/v1/secrets/${path}`, body })],
  [
    "PUT within a quota",
    (path) => ({
      method: "PUT",
      url: `/v1/secrets/${path}`,
      body: { ...body, quota: { prefix: "keyswitch/" } },
    }),
  ],
  [
    "PATCH",
    (path) => ({
      method: "PATCH",
      url: `/v1/secrets/${path}`,
      payload: JSON.stringify(body),
      headers: { "content-type": "application/merge-patch+json" },
    }),
  ],
  ["DELETE", (path) => ({ method: "DELETE", url: `/v1/secrets/${path}` })],
  ["DELETE of a key", (path) => ({ method: "DELETE", url: `/v1/secrets/${path}?key=set` })],
  [
    "an import",
    (path) => ({
      method: "POST",
      url: "/v1/import",
      body: { secrets: [secret("secrets/shop/db"), secret(path)], ifExists: "replace" },
    }),
  ],
  ["a repack", (path) => ({ method: "POST", url: "/v1/repack", body: { paths: [path], layout: "per-key" } })],
];

for (const [name, asked] of writes) {
  t.test(`${name} is forbidden`, async (t) => {
    const { ask, store } = writableAgent(t);
    store.put(SET_PATH, { set: "x" });
    const before = await store.list("");
    for (const path of PATHS) {
      const answer = await ask(asked(path));
      t.equal(answer.statusCode, 403, path);
      t.equal(answer.json().code, "FORBIDDEN");
      t.match(answer.json().message, path);
    }
    t.same(await store.list(""), before, "nothing was changed");
  });
}

t.test("it counts for no quota", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put(SET_PATH, { set: "x" });
  const quota = { prefix: "keyswitch/", objects: 1 };
  const put = (path: string) => ask({ method: "PUT", url: `/v1/secrets/${path}`, body: { ...body, quota } });
  t.equal((await put("keyswitch/shop/db")).statusCode, 201);
  t.equal((await put("keyswitch/shop/web")).json().code, "QUOTA_EXCEEDED");
});

t.test("of a stamp, a client sees the epoch", async (t) => {
  const { ask, store } = writableAgent(t);
  const data = new Map([["a", Buffer.from("x")]]);
  const path = "secrets/shop/db";
  await store.change(path, { type: "put", data, metadata: { labels: { team: "shop" } } });
  const seen = async () => {
    const read = (await ask({ url: `/v1/secrets/${path}`, as: "reader" })).json();
    const [row] = (await ask({ url: "/v1/secrets", as: "reader" })).json().secrets;
    return { read, row };
  };
  const outside = await seen();
  t.notOk("epoch" in outside.read || "epoch" in outside.row, "none where it was written outside a set");
  await store.change(path, { type: "delete" });
  const replaces = [{ epoch: 1, version: 4, history: [] }];
  await store.change(
    path,
    { type: "put", data, metadata: { labels: { team: "shop" } } },
    {},
    { epoch: 2, replaces },
  );
  const { read, row } = await seen();
  t.match(read, { version: 5, epoch: 2, metadata: { labels: { team: "shop" } } });
  t.same(Object.keys(read.metadata.labels), ["team"], "no label that the agent keeps itself");
  t.match(row, { version: 5, epoch: 2 });
  t.notOk("history" in row);
  const exported = (await ask({ url: "/v1/export" })).json();
  t.same(exported.secrets[0].metadata, { labels: { team: "shop" } });
});
