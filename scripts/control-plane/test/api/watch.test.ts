// SPDX-License-Identifier: Apache-2.0
// Tests watches: from a version, with selectors, bookmarks, and from a version that is too old.
import t from "tap";
import { isObject, type Json, type JsonObject, toJson, valueAt } from "../../api/json.ts";
import { Store } from "../../api/store.ts";
import { gadget, gadgets } from "./gadget-definition.ts";
import { type RunningServer, runServer } from "./running-server.ts";

type Seen = { type: string; name: string; object: JsonObject };

/** Opens a watch; `next` answers its next event. */
const watch = async (t: { teardown: (end: () => void) => void }, server: RunningServer, query: string) => {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const response = await fetch(`${server.url}${gadgets}?watch=true&${query}`, { signal: abort.signal });
  const lines = linesOf(response);
  return async (): Promise<Seen | undefined> => {
    const { value, done } = await lines.next();
    if (done) return undefined;
    const event: Json = toJson(JSON.parse(value));
    const object = isObject(event) && isObject(event.object) ? event.object : {};
    return {
      type: String(valueAt(event, ["type"])),
      name: String(valueAt(object, ["metadata", "name"])),
      object,
    };
  };
};

async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of response.body ?? []) {
    rest += Buffer.from(chunk).toString("utf8");
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
}

const versionOf = (body: JsonObject) => String(valueAt(body, ["metadata", "resourceVersion"]));
const merge = (server: RunningServer, name: string, body: JsonObject) =>
  server.call("PATCH", `${gadgets}/${name}`, body, "application/merge-patch+json");

t.test("a list and a watch from its version miss nothing", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("before"));
  const version = versionOf(await server.read(gadgets));
  await server.call("POST", gadgets, gadget("between"));
  const next = await watch(t, server, `resourceVersion=${version}`);
  t.match(await next(), { type: "ADDED", name: "between" });
  const changed = await merge(server, "before", { spec: { size: 4 } });
  const seen = await next();
  t.match(seen, { type: "MODIFIED", name: "before", object: { spec: { size: 4 } } });
  t.equal(versionOf(seen?.object ?? {}), versionOf(changed.body));
  await server.call("DELETE", `${gadgets}/between`);
  const gone = await next();
  t.match(gone, { type: "DELETED", name: "between" });
  t.ok(
    Number(versionOf(gone?.object ?? {})) > Number(versionOf(changed.body)),
    "a deletion has a version of its own",
  );
});

t.test("a write that changes nothing is no event and no version", async (t) => {
  const server = await runServer(t);
  const { body } = await server.call("POST", gadgets, gadget("same"));
  const again = await server.call("PUT", `${gadgets}/same`, gadget("same"));
  t.equal(versionOf(again.body), versionOf(body));
  const next = await watch(t, server, `resourceVersion=${versionOf(body)}`);
  await server.call("POST", gadgets, gadget("marker"));
  t.match(await next(), { type: "ADDED", name: "marker" });
});

t.test("an object that enters or leaves the selection is added or deleted", async (t) => {
  const server = await runServer(t);
  const { body } = await server.call("POST", gadgets, gadget("one"));
  const next = await watch(t, server, `resourceVersion=${versionOf(body)}&labelSelector=on%3Dyes`);
  await merge(server, "one", { metadata: { labels: { on: "yes" } } });
  t.match(await next(), { type: "ADDED", name: "one" });
  await merge(server, "one", { spec: { size: 4 } });
  t.match(await next(), { type: "MODIFIED", name: "one" });
  await merge(server, "one", { metadata: { labels: { on: "no" } } });
  t.match(
    await next(),
    { type: "DELETED", object: { metadata: { labels: { on: "yes" } } } },
    "as it was last seen",
  );
});

t.test("initial events end with a bookmark that says so", async (t) => {
  const server = await runServer(t);
  await server.call("POST", gadgets, gadget("one"));
  const next = await watch(
    t,
    server,
    "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan",
  );
  t.match(await next(), { type: "ADDED", name: "one" });
  t.match(await next(), {
    type: "BOOKMARK",
    object: { kind: "Gadget", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } },
  });
});

t.test("bookmarks come only to those who ask", async (t) => {
  const server = await runServer(t, { bookmarkIntervalMs: 5 });
  const version = versionOf(await server.read(gadgets));
  const asking = await watch(t, server, `resourceVersion=${version}&allowWatchBookmarks=true`);
  const silent = await watch(t, server, `resourceVersion=${version}`);
  t.match(await asking(), { type: "BOOKMARK", object: { metadata: { resourceVersion: version } } });
  await server.call("POST", gadgets, gadget("one"));
  t.match(await silent(), { type: "ADDED", name: "one" });
});

t.test("a watch ends after its timeout", async (t) => {
  const server = await runServer(t);
  const next = await watch(t, server, "timeoutSeconds=1");
  t.equal(await next(), undefined);
});

t.test("a watch from before the history is told so, and ends", async (t) => {
  const server = await runServer(t, { historyLimit: 5 });
  for (let index = 0; index < 20; index += 1) await server.call("POST", gadgets, gadget(`g${index}`));
  const next = await watch(t, server, "resourceVersion=2");
  t.match(await next(), { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
  t.equal(await next(), undefined);
});

t.test("the history is bounded and can be compacted", async (t) => {
  const store = new Store(10);
  const object = { apiVersion: "v1", kind: "X", metadata: { name: "x" } };
  for (let index = 0; index < 50; index += 1) store.put("/xs", { ...object, spec: { index } });
  t.equal(store.since(3), undefined);
  t.equal(store.since(store.version - 2)?.length, 2);
  store.compact();
  t.equal(store.since(store.version - 1), undefined);
  t.same(store.since(store.version), []);
});

t.test("what a caller does to an object that it read or wrote leaves the store alone", async (t) => {
  const store = new Store();
  const mine = { apiVersion: "v1", kind: "X", metadata: { name: "x" }, spec: { a: 1 } };
  const stored = store.put("/xs", mine);
  mine.spec.a = 2;
  stored.metadata.name = "y";
  const got = store.get("/xs", undefined, "x");
  if (got) got.metadata.name = "z";
  for (const listed of store.list("/xs")) listed.metadata.name = "z";
  t.match(store.get("/xs", undefined, "x"), { metadata: { name: "x" }, spec: { a: 1 } });
});
