// SPDX-License-Identifier: Apache-2.0
// Tests the watch of the Toggles on the local API server: changes are seen, and those of an outage are caught up.
import t from "tap";
import { watchPause } from "../../server/kubernetes/toggle-watch.ts";
import type { Clock } from "../../server/time.ts";
import { startHttpProxy, statusOf } from "../doubles/http-proxy.ts";
import { startTcpProxy } from "../doubles/tcp-proxy.ts";
import {
  COLLECTION,
  configOf,
  freshList,
  hurriedClock,
  startApi,
  toggle,
  watchToggles,
} from "./toggle-scene.ts";

const hurried = { clock: hurriedClock };
/** Of a watch with a bookmark each 20 ms: no busy machine is silent for so long. */
const SILENT_MS = 15_000;

t.test("what is there is listed by name, of one namespace alone", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  await api.make("api", { enabled: false });
  await api.call("POST", COLLECTION.replace("/demo/", "/other/"), toggle("theirs", {}, "other"));
  const { toggles, until } = watchToggles(t, configOf(api.url));
  t.same(toggles.list(), []);
  t.match(toggles.state(), { ok: false, message: /^the API server has not been asked .* \(since 20.*Z\)$/ });
  await toggles.listed;
  t.same(
    toggles.list().map(({ metadata }) => metadata.name),
    ["api", "web"],
  );
  t.same(toggles.list(), await freshList(api));
  t.equal(toggles.find("theirs"), undefined);
  t.equal(toggles.find("api")?.spec.enabled, false);
  await until(() => toggles.state().ok);
  t.same(toggles.state(), { ok: true });
});

t.test("a change by kubectl is seen: made, edited, its status written, deleted", async (t) => {
  const api = await startApi(t);
  const { toggles, changes, until } = watchToggles(t, configOf(api.url));
  await until(() => toggles.state().ok);
  await api.make("web");
  await api.kubectl(
    "patch",
    "toggle",
    "web",
    "-n",
    "demo",
    "--type=merge",
    "-p",
    '{"spec":{"enabled":false}}',
  );
  await until(() => toggles.find("web")?.spec.enabled === false);
  await api.setStatus("web", { phase: "Stopping" });
  await until(() => toggles.find("web")?.status?.phase === "Stopping");
  await api.kubectl("delete", "toggle", "web", "-n", "demo");
  await until(() => toggles.find("web") === undefined);
  t.same(changes, ["web=on", "web=off", "web=off", "web=gone"]);
});

t.test("a listener that was taken away, or that throws, keeps nobody else from being told", async (t) => {
  const api = await startApi(t);
  const { toggles, changes, log, until } = watchToggles(t, configOf(api.url));
  const told: string[] = [];
  const end = toggles.subscribe(({ name }) => told.push(name));
  toggles.subscribe(() => {
    throw new Error("a bug");
  });
  await until(() => toggles.state().ok);
  await api.make("a");
  await until(() => changes.length === 1);
  end();
  await api.make("b");
  await until(() => changes.length === 2);
  t.same(told, ["a"]);
  t.ok(log.lines.some(({ msg }) => msg === "a listener of Toggles failed"));
});

t.test(
  "the API server can't be reached for a while: what changed meanwhile is told, deletions too",
  async (t) => {
    const api = await startApi(t);
    const proxy = await startTcpProxy(t, api.url);
    for (const name of ["deleted", "edited", "kept", "remade"]) await api.make(name);
    const seen = watchToggles(t, configOf(proxy.url), hurried);
    const { toggles, until } = seen;
    await until(() => toggles.state().ok);
    seen.changes.length = 0;
    await proxy.shut();
    await until(() => !toggles.state().ok);
    t.match(toggles.state(), {
      ok: false,
      message: /^the API server (closed|refused) the connection \(since 20/,
    });
    t.equal(toggles.list().length, 4, "what was known stays");
    t.same(await toggles.get("kept"), { ok: false, why: "unavailable" });
    await api.remove("deleted");
    await api.change("edited", { enabled: false });
    await api.remove("remade");
    await api.make("remade", { enabled: false });
    await api.make("new");
    await proxy.open();
    await until(() => toggles.state().ok);
    t.same(toggles.list(), await freshList(api));
    t.same(seen.changes.sort(), ["deleted=gone", "edited=off", "new=on", "remade=gone", "remade=off"]);
    t.same(
      seen.watch.filter((event) => event !== "relist"),
      ["up", "down", "up"],
    );
    const told = seen.log.lines
      .filter(({ msg }) => String(msg).startsWith("Toggles are"))
      .map(({ msg }) => msg);
    t.equal(told[0], "Toggles are watched");
    t.equal(told[1], "Toggles are not watched");
    t.equal(told.at(-1), "Toggles are watched");
    t.ok(seen.log.lines.every(({ secondsDown = 0 }) => Number.isInteger(secondsDown)));
  },
);

t.test("another API server takes the place of the first, at lower versions: nothing old stays", async (t) => {
  const api = await startApi(t);
  for (let index = 0; index < 40; index += 1) await api.make(`old-${index}`);
  const seen = watchToggles(t, configOf(api.url), hurried);
  const { toggles, until } = seen;
  await until(() => toggles.state().ok);
  await api.replace();
  await api.make("new");
  await until(() => toggles.find("new") !== undefined && toggles.state().ok);
  t.same(toggles.list(), await freshList(api));
  await api.change("new", { enabled: false });
  await until(() => toggles.find("new")?.spec.enabled === false);
});

t.test("a connection that is half-open is renewed when it has been silent for too long", async (t) => {
  const api = await startApi(t, { bookmarkIntervalMs: 50 });
  const proxy = await startTcpProxy(t, api.url);
  await api.make("web");
  const { toggles, until, log } = watchToggles(t, configOf(proxy.url), {
    ...hurried,
    silentMs: 5000,
    timeoutMs: 20_000,
  });
  await until(() => toggles.state().ok);
  proxy.hang();
  await api.change("web", { enabled: false });
  await until(() => toggles.find("web")?.spec.enabled === false && toggles.state().ok);
  t.ok(log.lines.some(({ fault }) => fault === "has been silent for too long"));
});

t.test("bookmarks are signs of life: a watch without changes is left alone", async (t) => {
  const api = await startApi(t, { bookmarkIntervalMs: 20 });
  const proxy = await startHttpProxy(t, api.url);
  const { toggles, until, watch } = watchToggles(t, configOf(proxy.url), { ...hurried, silentMs: SILENT_MS });
  await until(() => toggles.state().ok);
  const watches = () => proxy.seen.filter(({ query }) => query.has("watch"));
  t.equal(watches()[0]?.query.get("allowWatchBookmarks"), "true");
  t.equal(watches()[0]?.query.has("resourceVersion"), true);
  t.match(watches()[0]?.query.get("timeoutSeconds"), /^\d{3}$/);
  // Three times as long as it may be silent, counted in bookmarks.
  await new Promise<void>((resolve) => hurriedClock.after(3 * SILENT_MS, resolve));
  t.equal(watches().length, 1);
  t.same(watch, ["up"]);
});

t.test("410 Gone, as an answer and as an event, leads to a new list", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  await api.make("web");
  const ways = [
    statusOf(410, "Expired"),
    {
      status: 200,
      headers: { "content-type": "application/json" },
      body: `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } })}\n`,
    },
  ];
  proxy.answer = ({ query }) => (query.has("watch") ? ways.shift() : undefined);
  const { toggles, until, exchanges, log } = watchToggles(t, configOf(proxy.url), hurried);
  await until(() => toggles.state().ok && exchanges.filter((line) => line === "list ok").length >= 4);
  t.equal(toggles.list().length, 1);
  t.notMatch(log.text(), /inner detail/, "no text of the server's");
});

t.test(
  "a watch that ends as the server said it would is followed by a list at once, and is never down",
  async (t) => {
    const api = await startApi(t);
    const proxy = await startHttpProxy(t, api.url);
    proxy.answer = ({ query }) => {
      if (query.has("watch")) query.set("timeoutSeconds", "1");
      return undefined;
    };
    const waits = new Set<number>();
    const clock: Clock = {
      now: hurriedClock.now,
      after(ms, action) {
        waits.add(ms);
        return hurriedClock.after(ms, action);
      },
    };
    const limits = { clock, timeoutMs: 60_000, silentMs: 600_000 };
    const { until, watch, exchanges } = watchToggles(t, configOf(proxy.url), limits);
    await until(() => exchanges.length === 5);
    t.same(waits, new Set([60_000, 600_000]), "no pause in between");
    t.same(exchanges, ["list ok", "watch ok", "list ok", "list ok", "watch ok"]);
    t.same(watch, ["up", "relist"]);
  },
);

t.test("a version that does not fit the schema is left out, told once, and counted", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  const broken = { ...toggle("broken"), spec: { enabled: "yes" } };
  const object = { ...broken, metadata: { ...broken.metadata, uid: "u", resourceVersion: "7" } };
  const items = [object, { ...toggle("fine"), metadata: { name: "fine", namespace: "demo", uid: "v" } }, 3];
  const list = JSON.stringify({ kind: "ToggleList", metadata: { resourceVersion: "9" }, items });
  const later = (version: string) => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: version },
  });
  const events = [later("7"), later("8"), later("8")].map((object) =>
    JSON.stringify({ type: "MODIFIED", object }),
  );
  proxy.answer = ({ query }) =>
    query.has("watch") ? { status: 200, body: `${events.join("\n")}\n` } : { status: 200, body: list };
  const { toggles, until, watch, log } = watchToggles(t, configOf(proxy.url), hurried);
  await until(() => watch.filter((event) => event === "relist").length === 2);
  t.same(
    toggles.list().map(({ metadata }) => metadata.name),
    ["fine"],
  );
  const warnings = log.lines.filter(({ msg }) => String(msg).includes("does not fit the schema"));
  // The list's version 7, the watch's version 8, and 7 and 8 again with each further list.
  t.match(warnings.slice(0, 2), [
    { toggle: "broken", resourceVersion: "7" },
    { toggle: "broken", resourceVersion: "8" },
  ]);
  t.equal(watch.filter((event) => event === "unreadable").length, warnings.length);
});

const tooMuch = { status: 200, body: `"${"x".repeat(33 * 1024 * 1024)}"` };
for (const [what, answer, message, why] of [
  ["is forbidden", statusOf(403, "Forbidden"), /answered HTTP 403 \(Forbidden\)/, "forbidden"],
  ["finds no CRD", statusOf(404, "NotFound"), /answered HTTP 404 \(NotFound\)/, "not-found"],
  ["is no API server", { status: 200, body: "<html>" }, /answered something that is not JSON/, "unavailable"],
  ["gets no list", { status: 200, body: "{}" }, /answered something that is not a list/, "unavailable"],
  ["is answered too much", tooMuch, /more than is taken/, "unavailable"],
] as const) {
  t.test(`a list that ${what} is tried again after a pause, and the state says why`, async (t) => {
    const api = await startApi(t);
    const proxy = await startHttpProxy(t, api.url);
    let failures = 2;
    proxy.answer = ({ query }) => (!query.has("watch") && failures-- > 0 ? answer : undefined);
    const { toggles, log } = watchToggles(t, configOf(proxy.url), hurried);
    await log.waitFor(({ msg }) => msg === "Toggles are not watched");
    t.match(toggles.state(), { ok: false, message, why });
    await log.waitFor(({ msg }) => msg === "Toggles are watched");
    t.same(toggles.state(), { ok: true });
    t.notMatch(log.text(), /inner detail/);
  });
}

t.test("the pause doubles from 1 s to 5 s and is drawn", async (t) => {
  const row = (random: number) => [1, 2, 3, 4, 5, 6, 50].map((failures) => watchPause(failures, random));
  t.same(row(0), [1000, 1000, 1000, 1000, 1000, 1000, 1000]);
  t.same(row(1), [2000, 4000, 5000, 5000, 5000, 5000, 5000]);
});

t.test("closing ends the watch, and everything that waits, at once", async (t) => {
  const api = await startApi(t);
  const proxy = await startTcpProxy(t, api.url);
  const { toggles, until } = watchToggles(t, configOf(proxy.url));
  await until(() => toggles.state().ok);
  const asked = toggles.get("none");
  await toggles.close();
  t.match(await asked, { ok: false });
  await toggles.close();
});

t.test("closing ends the pause between two attempts, and the waiting for a first list", async (t) => {
  const { toggles, log } = watchToggles(t, configOf("http://127.0.0.1:1"));
  await log.waitFor(({ msg }) => msg === "Toggles are not watched");
  await toggles.close();
  await toggles.listed;
  t.same(toggles.list(), []);
});
