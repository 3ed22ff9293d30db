// SPDX-License-Identifier: Apache-2.0
// Tests one Toggle's reads and patches: in its spec alone, with preconditions, and with errors that say what to do.
import t from "tap";
import type { TogglePatch } from "../../server/kubernetes/toggles.ts";
import { type HttpProxy, type ReplacedAnswer, startHttpProxy, statusOf } from "../doubles/http-proxy.ts";
import {
  COLLECTION,
  configOf,
  hurriedClock,
  patchOf,
  startApi,
  toggle,
  watchToggles,
} from "./toggle-scene.ts";

type Stored = {
  metadata: { generation: number; resourceVersion: string; managedFields: { manager: string }[] };
  spec: Record<string, unknown>;
};
const stored = async (api: { call: (method: string, path: string) => Promise<unknown> }, name: string) =>
  (await api.call("GET", `${COLLECTION}/${name}`)) as Stored;

t.test("a patch changes the spec and nothing else, under the bot's field manager", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  const { toggles } = watchToggles(t, configOf(proxy.url));
  await api.make("web", { until: "2030-01-01T00:00:00Z", replicas: 3 });
  await api.setStatus("web", { phase: "Running", lastReplicas: 3 });
  await api.kubectl("label", "toggle", "web", "-n", "demo", "a=b");
  await api.kubectl("annotate", "toggle", "web", "-n", "demo", "c=d");
  for (const withCondition of [false, true]) {
    const before = await stored(api, "web");
    const patch = patchOf(withCondition);
    const extra = { ...patch, metadata: { labels: { a: "evil" } }, replicas: 9 } as unknown as TogglePatch;
    const result = await toggles.patch("web", extra, withCondition ? before.metadata.generation : undefined);
    t.match(result, { ok: true, toggle: { spec: { enabled: withCondition, reason: patch.reason } } });
    const after = await stored(api, "web");
    t.ok(after.metadata.managedFields.some(({ manager }) => manager === "keyswitch-bot"));
    const { until: _, ...spec } = before.spec;
    const { managedFields: _before, ...metadata } = before.metadata;
    const { managedFields: _after, ...metadataAfter } = after.metadata;
    const expected = { generation: metadata.generation + 1, resourceVersion: after.metadata.resourceVersion };
    t.same(
      { ...after, metadata: metadataAfter },
      {
        ...before,
        metadata: { ...metadata, ...expected },
        spec: { ...spec, enabled: withCondition, requestedBy: "@ann:example.org", reason: patch.reason },
      },
    );
  }
  const patches = proxy.seen.filter(({ method }) => method === "PATCH").map(({ body }) => JSON.parse(body));
  t.same(patches.map(Object.keys), [["spec"], ["metadata", "spec"]]);
  t.same(Object.keys(patches[1].metadata), ["resourceVersion"]);
  t.same(new Set(proxy.seen.map(({ method }) => method)), new Set(["GET", "PATCH"]));
  t.ok(
    proxy.seen.every(({ path }) => path === COLLECTION || path === `${COLLECTION}/web`),
    "no other resource, no subresource, no other namespace",
  );
});

t.test("under a schedule a command for what the spec says already is a change all the same", async (t) => {
  const api = await startApi(t);
  const { toggles } = watchToggles(t, configOf(api.url));
  await api.make("web", { schedule: [{ timeZone: "UTC", on: ["Mon-Fri 08:00-18:00"] }] });
  await toggles.listed;
  for (const withCondition of [false, true]) {
    const { generation } = (await stored(api, "web")).metadata;
    const patch = { ...patchOf(false), reason: "the same" };
    const result = await toggles.patch("web", patch, withCondition ? generation : undefined);
    t.ok(result.ok);
    const after = await stored(api, "web");
    t.equal(after.metadata.generation, generation + 1);
    t.match(after.spec.requestedAt, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    // Times are whole seconds, and commands of people are not closer.
    await new Promise((resolve) => setTimeout(resolve, 1100));
  }
});

t.test("with a generation, the patch is made only while the Toggle has it", async (t) => {
  const api = await startApi(t);
  const { toggles } = watchToggles(t, configOf(api.url));
  await api.make("web");
  t.match(await toggles.patch("web", patchOf(false), 1), { ok: true });
  t.same(await toggles.patch("web", patchOf(true), 1), { ok: false, why: "changed" });
  t.equal((await stored(api, "web")).spec.enabled, false);
  await api.setStatus("web", { phase: "Off" });
  t.match(await toggles.patch("web", patchOf(true), 2), { ok: true }, "a status is no change");
});

t.test("a restart and an extension write a time, and leave who switched as it is", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  const { toggles } = watchToggles(t, configOf(api.url));
  await toggles.listed;
  for (const change of [{ restartAt: "2026-11-22T08:00:00Z" }, { until: "2026-11-22T09:00:00Z" }]) {
    const before = await stored(api, "web");
    t.match(await toggles.patch("web", change, before.metadata.generation), { ok: true });
    t.same((await stored(api, "web")).spec, { ...before.spec, ...change });
  }
});

t.test("a status that is written between reading and patching does not stop the patch", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  await api.make("web");
  let races = 3;
  proxy.answer = async ({ method }) => {
    if (method === "PATCH" && races-- > 0) await api.setStatus("web", { message: `race ${races}` });
    return undefined;
  };
  const { toggles } = watchToggles(t, configOf(proxy.url));
  t.match(await toggles.patch("web", patchOf(false), 1), { ok: true });
  t.equal((await stored(api, "web")).metadata.generation, 2);
});

t.test("a spec that is changed between reading and patching does stop it", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  await api.make("web");
  proxy.answer = async ({ method }) => {
    if (method === "PATCH") await api.change("web", { reason: "first" });
    return undefined;
  };
  const { toggles } = watchToggles(t, configOf(proxy.url));
  t.same(await toggles.patch("web", patchOf(false), 1), { ok: false, why: "changed" });
  t.match((await stored(api, "web")).spec, { reason: "first" });
});

t.test("of many writers with the same generation one wins, whatever statuses are written", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  const { toggles } = watchToggles(t, configOf(api.url));
  const results = await Promise.all([
    ...Array.from({ length: 12 }, () => toggles.patch("web", patchOf(false), 1)),
    ...Array.from({ length: 4 }, (_, index) => api.setStatus("web", { message: `status ${index}` })),
  ]);
  const won = results.filter((result) => (result as { ok?: boolean }).ok === true);
  const lost = results.filter((result) => (result as { why?: string }).why === "changed");
  t.equal(won.length, 1);
  t.equal(lost.length, 11);
  t.match(won[0], { toggle: { spec: (await stored(api, "web")).spec } });
  t.equal((await stored(api, "web")).metadata.generation, 2);
});

t.test("a connection that ends around a patch: it is made once, and its outcome is known", async (t) => {
  const rows = ["hangUp", "hangUpAfterwards"] as const;
  for (const way of rows) {
    for (const generation of [1, undefined]) {
      const api = await startApi(t);
      const proxy = await startHttpProxy(t, api.url);
      await api.make("web");
      let ends = 1;
      proxy.answer = ({ method }) => (method === "PATCH" && ends-- > 0 ? way : undefined);
      const { toggles } = watchToggles(t, configOf(proxy.url));
      t.match(await toggles.patch("web", patchOf(false), generation), { ok: true }, `${way} ${generation}`);
      t.equal((await stored(api, "web")).metadata.generation, 2);
    }
  }
});

t.test("a change by others beside a patch of unknown fate is not told as certain", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  await api.make("web");
  proxy.answer = async ({ method }): Promise<ReplacedAnswer | undefined> => {
    if (method !== "PATCH") return undefined;
    await api.change("web", { reason: "somebody" });
    return "hangUp";
  };
  const { toggles } = watchToggles(t, configOf(proxy.url));
  t.same(await toggles.patch("web", patchOf(false), 1), { ok: false, why: "unavailable" });
});

const elsewhere = JSON.stringify({
  ...toggle("web"),
  metadata: { name: "web", namespace: "other", uid: "u", generation: 1 },
});
const refusals: readonly (readonly [string, ReplacedAnswer, string])[] = [
  ["a Toggle that is not there is not found", statusOf(404, "NotFound"), "not-found"],
  ["what RBAC does not allow is forbidden", statusOf(403, "Forbidden"), "forbidden"],
  ["a token that is refused is forbidden", statusOf(401, "Unauthorized"), "forbidden"],
  ["what a webhook denies is refused", statusOf(400, "BadRequest"), "refused"],
  ["an invalid spec is refused", statusOf(422, "Invalid"), "refused"],
  ["too many requests are unavailable", statusOf(429, "TooManyRequests"), "unavailable"],
  [
    "too many requests for longer than we wait are unavailable",
    statusOf(429, "", { "retry-after": "60" }),
    "unavailable",
  ],
  ["a fault of the server is unavailable", statusOf(500, "InternalError"), "unavailable"],
  ["a server that shuts down is unavailable", statusOf(503, "ServiceUnavailable"), "unavailable"],
  ["no JSON is unavailable", { status: 200, body: "<html>" }, "unavailable"],
  ["another object is unavailable", { status: 200, body: '{"kind":"Toggle"}' }, "unavailable"],
  ["a Toggle of another namespace is unavailable", { status: 200, body: elsewhere }, "unavailable"],
  ["a redirect is not followed", { status: 307, headers: { location: "http://192.0.2.1/" } }, "unavailable"],
  ["no answer is unavailable", "hangUp", "unavailable"],
];
for (const [what, answer, why] of refusals) {
  t.test(what, async (t) => {
    const api = await startApi(t);
    const proxy = await startHttpProxy(t, api.url);
    proxy.answer = ({ path }) => (path.endsWith("/web") ? answer : undefined);
    const { toggles, log } = watchToggles(t, configOf(proxy.url));
    t.same(await toggles.get("web"), { ok: false, why });
    t.same(await toggles.patch("web", patchOf(true)), { ok: false, why });
    t.same(await toggles.patch("web", patchOf(true), 1), { ok: false, why });
    t.notMatch(log.text(), /inner detail/);
  });
}

t.test("the real refusals of the API server: an unknown name, an invalid spec", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  const { toggles, exchanges } = watchToggles(t, configOf(api.url));
  await toggles.listed;
  t.same(await toggles.get("none"), { ok: false, why: "not-found" });
  t.same(await toggles.patch("none", patchOf(true)), { ok: false, why: "not-found" });
  t.same(await toggles.patch("none", patchOf(true), 1), { ok: false, why: "not-found" });
  const invalid = { ...patchOf(true), until: "tomorrow" };
  t.same(await toggles.patch("web", invalid), { ok: false, why: "refused" });
  t.same(await toggles.patch("web", invalid, 1), { ok: false, why: "refused" });
  const told = exchanges.filter((line) => !/^(list|watch) /.test(line));
  t.same(told, ["get not-found", "patch not-found", "get not-found", "patch refused", "patch refused"]);
});

t.test(
  "what the watch remembers saves reading the Toggle first; an old memory only costs a try",
  async (t) => {
    const api = await startApi(t);
    await api.make("web");
    const { toggles, exchanges } = watchToggles(t, configOf(api.url));
    const told = () => exchanges.splice(0).filter((line) => !/^(list|watch) /.test(line));
    await toggles.listed;
    t.match(await toggles.patch("web", patchOf(false), 1), { ok: true });
    t.same(told(), ["patch ok"]);
    await api.setStatus("web", { phase: "Off" });
    t.match(await toggles.patch("web", patchOf(true), 2), { ok: true });
    t.equal((await stored(api, "web")).metadata.generation, 3);
  },
);

t.test("a name that is none is not even asked for", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  const { toggles } = watchToggles(t, configOf(proxy.url));
  const names = ["", ".", "..", "../secrets", "web/status", "web?x=y", "Web", "a".repeat(254), "web\n"];
  for (const name of names) {
    t.same(await toggles.get(name), { ok: false, why: "not-found" }, JSON.stringify(name));
    t.same(await toggles.patch(name, patchOf(true), 1), { ok: false, why: "not-found" });
  }
  t.same(
    proxy.seen.filter(({ path }) => path !== COLLECTION),
    [],
  );
});

const tries = (proxy: HttpProxy) => proxy.seen.filter(({ path }) => path.endsWith("/web")).length;

t.test("429 and 503 with Retry-After are waited for; a patch is not repeated after 503", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  const proxy = await startHttpProxy(t, api.url);
  const left: ReplacedAnswer[] = [];
  proxy.answer = ({ path }) => (path.endsWith("/web") ? left.shift() : undefined);
  const { toggles } = watchToggles(t, configOf(proxy.url), { clock: hurriedClock, timeoutMs: 30_000 });
  const later = { "retry-after": "1" };
  left.push(statusOf(429, "TooManyRequests", later), statusOf(503, "ServiceUnavailable", later));
  t.match(await toggles.get("web"), { ok: true });
  t.equal(tries(proxy), 3);
  left.push(statusOf(429, "TooManyRequests", later));
  t.match(await toggles.patch("web", patchOf(true)), { ok: true });
  t.equal(tries(proxy), 5);
  left.push(statusOf(503, "ServiceUnavailable", later));
  t.same(await toggles.patch("web", patchOf(true)), { ok: false, why: "unavailable" });
  t.equal(tries(proxy), 6);
});

t.test("a server that takes the request and never answers is given up after the timeout", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  const hung = new AbortController();
  proxy.answer = ({ path }) =>
    path.endsWith("/web")
      ? new Promise((resolve) => hung.signal.addEventListener("abort", () => resolve("hangUp")))
      : undefined;
  const { toggles } = watchToggles(t, configOf(proxy.url), { timeoutMs: 100 });
  t.same(await toggles.get("web"), { ok: false, why: "unavailable" });
  t.same(await toggles.patch("web", patchOf(true), 1), { ok: false, why: "unavailable" });
  hung.abort();
});
