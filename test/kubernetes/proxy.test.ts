// SPDX-License-Identifier: Apache-2.0
// Ways to the API server through a proxy: the kubeconfig's, and that of HTTPS_PROXY with the exceptions of NO_PROXY.

import { randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import t, { type Test } from "tap";
import { stringify } from "yaml";
import { startupTable } from "../../server/config/startup-table.ts";
import { type Environment, readVariables } from "../../server/config/variables.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { isProxied } from "../../server/kubernetes/proxy.ts";
import { startConnectProxy } from "../doubles/connect-proxy.ts";
import { startHttpProxy } from "../doubles/http-proxy.ts";
import { createAuthority } from "../http/authority.ts";
import { startApi, watchToggles } from "./toggle-scene.ts";

const root = t.testdir({});
const password = randomBytes(8).toString("hex");

const readerOf = (cluster: object, env: Environment = {}, user: object = {}) => {
  const path = join(mkdtempSync(join(root, "scene-")), "kubeconfig");
  const contents = {
    "current-context": "here",
    clusters: [{ name: "c", cluster: { server: "https://api.example", ...cluster } }],
    contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user }],
  };
  writeFileSync(path, stringify(contents));
  return readVariables({ ...env, KUBECONFIG: path }, KUBERNETES_VARIABLES);
};

const read = (cluster: object, env: Environment = {}, user: object = {}) => {
  const reader = readerOf(cluster, env, user);
  const config = readKubernetes(reader);
  if (config === undefined) throw new Error(JSON.stringify(reader.faults));
  return config;
};

/** An API server over TLS that calls itself `localhost`, and a proxy, the only one that knows where `api.example` is. */
const scene = async (t: Test) => {
  const api = await startApi(t);
  await api.make("web");
  const authority = createAuthority(mkdtempSync(join(root, "ca-")));
  const { cert, key } = authority.issue("server");
  const tls = { cert, key, requestCert: true, ca: authority.ca, rejectUnauthorized: false };
  const front = await startHttpProxy(t, api.url, tls);
  const proxy = await startConnectProxy(t, front.url);
  const cluster = {
    server: "https://api.example:6443",
    "certificate-authority": authority.caFile,
    "tls-server-name": "localhost",
  };
  return { front, proxy, cluster, authority };
};

t.test("the proxy of the kubeconfig leads to the server, with the credentials of each", async (t) => {
  const { front, proxy, cluster, authority } = await scene(t);
  const { certFile, keyFile } = authority.issue("ann");
  const config = read(
    { ...cluster, "proxy-url": `http://bot:${password}@${proxy.address}` },
    { NO_PROXY: "api.example" },
    { "client-certificate": certFile, "client-key": keyFile },
  );
  const { toggles, until, log } = watchToggles(t, config);
  await until(() => toggles.state().ok);
  t.match(await toggles.get("web"), { ok: true });
  const authorization = `Basic ${Buffer.from(`bot:${password}`).toString("base64")}`;
  t.ok(proxy.asked.length > 0);
  for (const asked of proxy.asked) t.same(asked, { target: "api.example:6443", authorization });
  for (const seen of front.seen) {
    t.equal(seen.certificate, "ann");
    t.equal(seen.headers.host, "api.example:6443");
    t.notOk(seen.headers["proxy-authorization"], "the proxy's password is not the server's");
  }
  t.notMatch(`${JSON.stringify(config)}${inspect(config, { depth: 9 })}${log.text()}`, password);
});

t.test("the proxy of HTTPS_PROXY leads to the server, under its name in small letters too", async (t) => {
  const { proxy, cluster } = await scene(t);
  for (const env of [{ HTTPS_PROXY: proxy.address }, { https_proxy: `http://${proxy.address}/` }]) {
    const before = proxy.asked.length;
    const { toggles } = watchToggles(t, read(cluster, env));
    t.match(await toggles.get("web"), { ok: true });
    t.ok(proxy.asked.length > before);
  }
});

t.test("the server's certificate is checked behind a proxy too", async (t) => {
  const { proxy, cluster, front } = await scene(t);
  const config = read({ ...cluster, "tls-server-name": "elsewhere" }, { HTTPS_PROXY: proxy.address });
  const { toggles, log } = watchToggles(t, config);
  t.same(await toggles.get("web"), { ok: false, why: "unavailable" });
  await log.waitFor(({ msg }) => msg === "Toggles are not watched");
  t.same(front.seen, []);
});

t.test("a proxy that opens no way, and one that is not there, are told apart from the server", async (t) => {
  const { proxy, cluster } = await scene(t);
  proxy.refuse();
  const { toggles, log } = watchToggles(t, read(cluster, { HTTPS_PROXY: proxy.address }));
  await log.waitFor(({ msg }) => msg === "Toggles are not watched");
  t.match(toggles.state(), { ok: false, message: /the proxy does not open the way to it/ });
  const nobody = watchToggles(t, read(cluster, { HTTPS_PROXY: "127.0.0.1:1" }));
  await nobody.log.waitFor(({ msg }) => msg === "Toggles are not watched");
  t.match(nobody.toggles.state(), { ok: false, message: /or the proxy to it refused the connection/ });
});

t.test("a proxy that takes a connection and does not answer keeps nobody waiting", async (t) => {
  const { proxy, cluster } = await scene(t);
  proxy.hang();
  const { toggles, log } = watchToggles(t, read(cluster, { HTTPS_PROXY: proxy.address }), {
    timeoutMs: 3000,
  });
  await log.waitFor(({ msg }) => msg === "Toggles are not watched");
  t.match(toggles.state(), { ok: false, message: /or the proxy to it did not answer in time/ });
  t.same(await toggles.get("web"), { ok: false, why: "unavailable" });
});

t.test("what HTTPS_PROXY and NO_PROXY do not lead through a proxy", async (t) => {
  const proxied = (server: string, NO_PROXY: string, cluster: object = {}) =>
    read({ server, ...cluster }, { HTTPS_PROXY: "http://p", NO_PROXY }).proxy !== undefined;
  t.ok(proxied("https://api.example", ""));
  t.notOk(proxied("https://api.example", "a.b, .example"));
  t.notOk(proxied("https://127.0.0.1:6443", ""));
  t.notOk(proxied("http://localhost:8001", ""));
  t.ok(
    proxied("https://127.0.0.1:6443", "*", { "proxy-url": "http://q" }),
    "the kubeconfig's is for every server",
  );
  const pod = {
    KUBERNETES_SERVICE_HOST: "10.96.0.1",
    KUBERNETES_SERVICE_PORT: "443",
    HTTPS_PROXY: "http://p",
  };
  const folder = t.testdir({ token: password, "ca.crt": createAuthority(root).ca.toString() });
  const config = readKubernetes(readVariables(pod, KUBERNETES_VARIABLES), folder);
  t.match(config, { origin: "https://10.96.0.1:443" });
  t.equal(config?.proxy, undefined, "a pod reaches its own API server directly");
});

for (const [server, noProxy, expected] of [
  ["https://api.example", "*", false],
  ["https://api.example", "example", false],
  ["https://api.example", "api.example", false],
  ["https://API.example.", "api.EXAMPLE", false],
  ["https://api.example", ".api.example", true],
  ["https://api.example", "*.example", false],
  ["https://api.example", "pi.example", true],
  ["https://api.example", "api.example:443", false],
  ["https://api.example:6443", "api.example:443", true],
  ["https://api.example:6443", "api.example:6443", false],
  ["https://10.1.2.3", "10.1.2.3", false],
  ["https://10.1.2.3", "10.1.0.0/16", false],
  ["https://10.1.2.3", "10.2.0.0/16", true],
  ["https://10.1.2.3", "10.1.0.0/99", true],
  ["https://10.1.2.3", "fd00::/8", true],
  ["https://[fd00::1]:6443", "fd00::/8", false],
  ["https://[fd00::1]:6443", "fd00::1", false],
  ["https://[fd00::1]:6443", "[fd00::1]:6443", false],
  ["https://[fd00::1]:6443", "[fd00::1]:443", true],
  ["https://[fd00::1]:6443", "FD00:0:0::1", false],
  ["https://[fd00::1]:6443", "[fd00:0::1]:6443", false],
  ["https://[fd00::1]:6443", "fd00::1:1", true],
  ["https://b\u00fccher.example", "b\u00fccher.example", false],
  ["https://api.example", "api.example:", false],
  ["https://10.1.2.3", "10.1.2.0/24/24", true],
  ["https://api.example", ", ,:,/,[]", true],
] as const) {
  t.test(
    `${server} with NO_PROXY=${noProxy} goes ${expected ? "through the proxy" : "directly"}`,
    async (t) => {
      t.equal(isProxied(server, noProxy), expected);
    },
  );
}

t.test("a proxy that is none is a fault, which does not cite it", async (t) => {
  for (const address of [`socks5://ann:${password}@p`, `http://ann:${password}@`, "http://"]) {
    const reader = readerOf({}, { HTTPS_PROXY: address });
    t.equal(readKubernetes(reader), undefined);
    t.match(reader.faults, [
      { name: "HTTPS_PROXY", message: /^must be the http:\/\/ or https:\/\/ address/ },
    ]);
    t.notMatch(JSON.stringify(reader.faults), password);
  }
  const reader = readerOf({}, { HTTPS_PROXY: `http://ann:${password}%@p` });
  t.equal(readKubernetes(reader), undefined);
  const message = "must have a user and a password that are percent-encoded";
  t.same(reader.faults, [{ name: "HTTPS_PROXY", message }]);
  for (const shown of [password, `a\n${password}`, `a\u2028${password}`]) {
    const env = { https_proxy: `http://ann:${shown}@p.example:3128` };
    const lines = startupTable(env, KUBERNETES_VARIABLES).join("\n");
    t.match(lines, /HTTPS_PROXY +\| http:\/\/\*\*\*@p\.example:3128 +\| set/);
    t.notMatch(lines, password);
  }
});
