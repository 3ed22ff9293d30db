// SPDX-License-Identifier: Apache-2.0
// Tests a half-open watch: other requests to the API server reveal it.
import t from "tap";
import { startHttpProxy } from "../doubles/http-proxy.ts";
import { configOf, hurriedClock, patchOf, startApi, watchToggles } from "./toggle-scene.ts";

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
      timeoutMs: 100_000,
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
