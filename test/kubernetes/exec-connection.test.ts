// SPDX-License-Identifier: Apache-2.0
// Tests the connection to the API server by an exec plugin's credentials: renewed when refused, replaced, and as kubectl does.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { startConnectProxy } from "../doubles/connect-proxy.ts";
import { type HttpProxy, startHttpProxy, statusOf } from "../doubles/http-proxy.ts";
import { createAuthority } from "../http/authority.ts";
import { execOf, newProgram, newToken, read } from "./exec-scene.ts";
import { COLLECTION, patchOf, startApi, watchToggles } from "./toggle-scene.ts";

/** An API server behind a front that takes what `isValid` says. */
const guarded = async (t: Test, isValid: (seen: HttpProxy["seen"][number]) => boolean) => {
  const api = await startApi(t);
  await api.make("web");
  const front = await startHttpProxy(t, api.url);
  front.answer = (seen) => (isValid(seen) ? undefined : statusOf(401, "Unauthorized"));
  return front;
};

t.test(
  "kept credentials that the API server refuses are asked for anew, once for each request",
  async (t) => {
    const { plugin } = newProgram();
    let valid = newToken();
    plugin.gives({ token: valid });
    const front = await guarded(t, ({ headers }) => headers.authorization === `Bearer ${valid}`);
    const config = read({ exec: execOf(plugin), cluster: { server: front.url } });
    const { toggles, until, log } = watchToggles(t, config);
    await until(() => toggles.state().ok);
    t.equal(plugin.calls().length, 1);
    valid = newToken();
    plugin.gives({ token: valid });
    t.match(await toggles.patch("web", patchOf(false)), { ok: true });
    t.equal(plugin.calls().length, 2);
    const patches = front.seen.filter(({ method }) => method === "PATCH");
    t.equal(patches.length, 2);
    valid = newToken();
    t.same(await toggles.get("web"), { ok: false, why: "forbidden" });
    t.equal(plugin.calls().length, 3);
    t.notMatch(log.text(), /[0-9a-f]{32}/);
  },
);

t.test("a plugin that gives nothing is why the Toggles are not watched, until it does", async (t) => {
  const { plugin } = newProgram();
  plugin.prints("", 1);
  const token = newToken();
  const front = await guarded(t, ({ headers }) => headers.authorization === `Bearer ${token}`);
  const config = read({ exec: execOf(plugin), cluster: { server: front.url } });
  const { toggles, until, log } = watchToggles(t, config);
  await log.waitFor(({ msg }) => msg === "Toggles are not watched");
  t.match(toggles.state(), {
    ok: false,
    message: /can't be asked: the exec plugin .* failed with exit code 1/,
  });
  t.same(front.seen, []);
  plugin.gives({ token });
  await until(() => toggles.state().ok);
});

t.test("a client certificate that the plugin gives is shown, and the next one in its place", async (t) => {
  const { plugin, folder } = newProgram();
  const authority = createAuthority(folder);
  const server = authority.issue("server");
  const api = await startApi(t);
  await api.make("web");
  const tls = { cert: server.cert, key: server.key, requestCert: true, ca: authority.ca };
  const front = await startHttpProxy(t, api.url, { ...tls, rejectUnauthorized: true });
  let valid = "one";
  front.answer = ({ certificate }) => (certificate === valid ? undefined : statusOf(401, "Unauthorized"));
  const give = (name: string, more: object = {}) => {
    const { cert, key } = authority.issue(name);
    plugin.gives({ clientCertificateData: cert.toString(), clientKeyData: key.toString(), ...more });
  };
  give("one");
  const cluster = { server: front.url, "certificate-authority": authority.caFile };
  const { toggles, until } = watchToggles(t, read({ exec: execOf(plugin), cluster }));
  await until(() => toggles.state().ok);
  t.same(new Set(front.seen.map(({ certificate }) => certificate)), new Set(["one"]));
  valid = "two";
  give("two");
  t.match(await toggles.get("web"), { ok: true });
  t.equal(front.seen.at(-1)?.certificate, "two");
  valid = "three";
  give("three", { expirationTimestamp: "2000-01-01T00:00:00Z" });
  t.match(await toggles.get("web"), { ok: true }, "a clock that is wrong is no reason to show none");
  t.equal(front.seen.at(-1)?.certificate, "three");
});

t.test("kubectl calls the same plugin as the bot does, and is led by the same proxy", async (t) => {
  const { plugin, folder } = newProgram();
  const token = newToken();
  plugin.gives({ token });
  const authority = createAuthority(folder);
  const { cert, key } = authority.issue("server");
  const api = await startApi(t);
  await api.make("web");
  const front = await startHttpProxy(t, api.url, { cert, key });
  front.answer = ({ headers }) =>
    headers.authorization === `Bearer ${token}` ? undefined : statusOf(401, "Unauthorized");
  const proxy = await startConnectProxy(t, front.url);
  const cluster = {
    server: "https://api.example:6443",
    "certificate-authority": authority.caFile,
    "tls-server-name": "localhost",
    "proxy-url": `http://ann:${token}@${proxy.address}`,
  };
  const exec = execOf(plugin, { args: ["a b"], interactiveMode: "Never", provideClusterInfo: true });
  const { toggles } = watchToggles(t, read({ exec, cluster, folder }));
  t.match(await toggles.get("web"), { ok: true });
  const [ours] = plugin.calls();
  const ownWays = proxy.asked.length;
  const { HTTPS_PROXY: _, ...env } = process.env;
  const get = ["--kubeconfig", join(folder, "kubeconfig"), "get", "--raw", `${COLLECTION}/web`];
  const { stdout } = await promisify(execFile)("kubectl", get, { env });
  t.match(JSON.parse(stdout), { kind: "Toggle" });
  const theirs = plugin.calls().at(-1);
  t.same(theirs?.args, ours?.args);
  t.same(theirs?.info, ours?.info);
  t.ok(plugin.calls().length > 1 && proxy.asked.length > ownWays);
  t.same(proxy.asked.at(-1), proxy.asked[0]);
});
