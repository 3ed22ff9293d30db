// SPDX-License-Identifier: Apache-2.0
// Tests a watch that is open and shows nothing: other requests to the API server reveal it.
import t from "tap";
import { startHttpProxy } from "../doubles/http-proxy.ts";
import { configOf, freshList, hurriedClock, patchOf, startApi, watchToggles } from "./toggle-scene.ts";

t.test(
  "an own patch that a half-open watch does not show renews it long before the silence does",
  async (t) => {
    const api = await startApi(t);
    const proxy = await startHttpProxy(t, api.url);
    await api.make("web");
    const watches = () => proxy.seen.filter(({ query }) => query.has("watch"));
    proxy.answer = ({ query }) => (query.has("watch") && watches().length === 1 ? "silent" : undefined);
    const { toggles, until, log } = watchToggles(t, configOf(proxy.url), {
      clock: hurriedClock,
    });
    await until(() => toggles.state().ok);
    t.match(await toggles.patch("web", patchOf(false)), { ok: true });
    await until(() => toggles.find("web")?.spec.enabled === false && toggles.state().ok);
    t.ok(log.lines.some(({ msg }) => msg === "the watch does not show a patch: it is renewed"));
  },
);

t.test("an API server that hangs: a request without an answer takes the watch down at once", async (t) => {
  const api = await startApi(t);
  const proxy = await startHttpProxy(t, api.url);
  await api.make("web");
  const { toggles, until } = watchToggles(t, configOf(proxy.url), {
    clock: hurriedClock,
    silentMs: 6_000_000,
    timeoutMs: 20_000,
  });
  await until(() => toggles.state().ok);
  const hanging = Promise.withResolvers<undefined>();
  proxy.answer = () => hanging.promise;
  t.same(await toggles.get("web"), { ok: false, why: "unavailable" });
  await until(() => !toggles.state().ok);
  t.match(toggles.state(), { message: /did not answer in time/, why: "unavailable" });
  proxy.answer = () => undefined;
  hanging.resolve(undefined);
  await until(() => toggles.state().ok);
});

t.test("another API server takes the place of the first between a list and its watch", async (t) => {
  for (const newer of [0, 40]) {
    const api = await startApi(t);
    const proxy = await startHttpProxy(t, api.url);
    await api.make("old");
    let isReplaced = false;
    proxy.answer = async ({ query }) => {
      if (!query.has("watch") || isReplaced) return undefined;
      isReplaced = true;
      await api.replace();
      for (let index = 0; index < newer; index += 1) await api.make(`new-${index}`);
      return undefined;
    };
    const { toggles, until, log } = watchToggles(t, configOf(proxy.url), {
      clock: hurriedClock,
    });
    await until(() => toggles.state().ok && toggles.find("old") === undefined);
    t.same(toggles.list(), await freshList(api), `${newer} versions ahead of the first`);
    t.ok(
      log.lines.some(({ fault }) => fault === "has another state than it had listed"),
      JSON.stringify(log.lines.map(({ msg, fault }) => fault ?? msg)),
    );
  }
});
