// SPDX-License-Identifier: Apache-2.0
// Tests the client's credentials for the API server: tokens and certificates that are replaced while it runs, and trusted CAs.
import { randomBytes } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { fixedSecret } from "../../server/config/secret.ts";
import { readVariables } from "../../server/config/variables.ts";
import type { KubernetesConfig } from "../../server/kubernetes/config.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { openToggles } from "../../server/kubernetes/toggles.ts";
import { type HttpProxy, startHttpProxy, statusOf } from "../doubles/http-proxy.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { configOf, hurriedClock, patchOf, startApi, watchToggles } from "./toggle-scene.ts";

const newToken = () => randomBytes(16).toString("hex");

/** A proxy that takes one token alone. */
const guarded = async (t: Test, first: string) => {
  const api = await startApi(t);
  await api.make("web");
  const proxy = await startHttpProxy(t, api.url);
  let valid = first;
  proxy.answer = ({ headers }) =>
    headers.authorization === `Bearer ${valid}` ? undefined : statusOf(401, "Unauthorized");
  return { api, proxy, expire: (next: string) => (valid = next) };
};

t.test("a token file that was rotated counts with the next request", async (t) => {
  const [first, second] = [newToken(), newToken()];
  const { proxy, expire } = await guarded(t, first);
  const path = join(t.testdir({}), "token");
  writeFileSync(path, first);
  const { toggles, until, log } = watchToggles(t, configOf(proxy.url, { kind: "token-file", path }));
  await until(() => toggles.state().ok);
  expire(second);
  writeFileSync(path, second);
  t.match(await toggles.patch("web", patchOf(false), 1), { ok: true });
  t.notMatch(log.text(), first);
  t.notMatch(log.text(), second);
});

t.test(
  "a token that is rotated while a request is under way: 401, the file is read again, it works",
  async (t) => {
    const [first, second] = [newToken(), newToken()];
    const { proxy, expire } = await guarded(t, first);
    const path = join(t.testdir({}), "token");
    writeFileSync(path, first);
    const { toggles, until } = watchToggles(t, configOf(proxy.url, { kind: "token-file", path }));
    await until(() => toggles.state().ok);
    const check = proxy.answer;
    proxy.answer = (seen) => {
      if (seen.method === "PATCH" && expire(second)) writeFileSync(path, second);
      return check(seen);
    };
    t.match(await toggles.patch("web", patchOf(false)), { ok: true });
    t.equal(proxy.seen.filter(({ method }) => method === "PATCH").length, 2);
  },
);

t.test(
  "a token that stays refused is asked with once, is down, and recovers when the file is mended",
  async (t) => {
    const [good, bad] = [newToken(), newToken()];
    const { proxy } = await guarded(t, good);
    const path = join(t.testdir({}), "token");
    writeFileSync(path, bad);
    const config = configOf(proxy.url, { kind: "token-file", path });
    const { toggles, until, log } = watchToggles(t, config, { clock: hurriedClock });
    t.same(await toggles.get("web"), { ok: false, why: "forbidden" });
    t.equal(proxy.seen.filter(({ path }) => path.endsWith("/web")).length, 1);
    await log.waitFor(({ msg }) => msg === "Toggles are not watched");
    t.match(toggles.state(), { ok: false, message: /answered HTTP 401 \(Unauthorized\)/ });
    writeFileSync(path, good);
    await until(() => toggles.state().ok);
    t.equal(toggles.list().length, 1);
  },
);

/** An HTTPS proxy that wants a client certificate, and the files of the authority's. */
const overTls = async (t: Test, requestCert = false) => {
  const api = await startApi(t);
  await api.make("web");
  const directory = t.testdir({});
  const authority = createAuthority(directory);
  const server = authority.issue("server");
  const proxy = await startHttpProxy(t, api.url, {
    cert: server.cert,
    key: server.key,
    ...(requestCert && { requestCert, ca: authority.ca, rejectUnauthorized: true }),
  });
  return { api, proxy, authority, directory };
};

const names = (proxy: HttpProxy) => proxy.seen.map(({ certificate }) => certificate);

t.test("a client certificate of files that are replaced is shown on new connections", async (t) => {
  const { proxy, authority, directory } = await overTls(t, true);
  const [one, two] = [authority.issue("one"), authority.issue("two")];
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const put = (pair: typeof one) => {
    copyFileSync(pair.certFile, certFile);
    copyFileSync(pair.keyFile, keyFile);
  };
  put(one);
  const config: KubernetesConfig = {
    ...configOf(proxy.url, { kind: "client-certificate", certificate: { kind: "files", certFile, keyFile } }),
    ca: { file: authority.caFile },
  };
  const { toggles, until } = watchToggles(t, config);
  await until(() => toggles.state().ok);
  t.same(new Set(names(proxy)), new Set(["one"]));
  put(two);
  t.match(await toggles.get("web"), { ok: true });
  t.equal(names(proxy).at(-1), "two");
});

t.test("a certificate and a CA that are data in the configuration serve as well", async (t) => {
  const { proxy, authority } = await overTls(t, true);
  const pair = authority.issue("inline");
  const certificate = {
    kind: "inline",
    cert: pair.cert.toString(),
    key: fixedSecret(pair.key.toString(), "KUBECONFIG"),
  } as const;
  const config = {
    ...configOf(proxy.url, { kind: "client-certificate", certificate }),
    ca: { pem: authority.ca.toString() },
  };
  const { toggles } = watchToggles(t, config);
  t.match(await toggles.get("web"), { ok: true });
  t.same(new Set(names(proxy)), new Set(["inline"]));
});

t.test("a server that another CA signed, or with another name, is not talked to", async (t) => {
  const { proxy, authority, directory } = await overTls(t);
  const bearerToken = newToken();
  const credentials = { kind: "token", token: fixedSecret(bearerToken, "KUBECONFIG") } as const;
  const other = createAuthority(directory, "other");
  const rows = [
    { ...configOf(proxy.url, credentials), ca: { file: other.caFile } },
    configOf(proxy.url, credentials),
    { ...configOf(proxy.url, credentials), ca: { file: authority.caFile }, serverName: "elsewhere.example" },
  ];
  for (const config of rows) {
    const { toggles, log } = watchToggles(t, config);
    t.same(await toggles.get("web"), { ok: false, why: "unavailable" });
    t.match(log.text(), /certificate that is not trusted/);
  }
  t.same(proxy.seen, []);
  const named = {
    ...rows[2],
    ...configOf(proxy.url, credentials),
    ca: { file: authority.caFile },
    serverName: "localhost",
  };
  const { toggles } = watchToggles(t, named);
  t.match(await toggles.get("web"), { ok: true });
  t.equal(proxy.seen[0]?.headers.authorization, `Bearer ${bearerToken}`);
});

t.test("a token file that is not there is a fault of the start", async (t) => {
  const config = configOf("http://127.0.0.1:1", { kind: "token-file", path: join(t.testdir({}), "none") });
  t.throws(() => openToggles({ config, namespace: "demo", logger: recordedLog().logger }), {
    message: /does not exist/,
  });
});

t.test("the kubeconfig of the local API server leads to it, behind a path as well", async (t) => {
  const api = await startApi(t);
  await api.make("web");
  const path = join(t.testdirName, "kubeconfig");
  const reader = readVariables({ KUBECONFIG: path }, KUBERNETES_VARIABLES);
  const config = readKubernetes(reader);
  t.same(reader.faults, []);
  if (config === undefined) throw new Error("no configuration");
  const { toggles } = watchToggles(t, config);
  t.match(await toggles.get("web"), { ok: true });
  const proxy = await startHttpProxy(t, api.url);
  const prefixed = watchToggles(t, { ...config, origin: proxy.url, pathPrefix: "/k8s/clusters/c-1" });
  await prefixed.toggles.get("web");
  t.ok(proxy.seen.length > 0 && proxy.seen.every((seen) => seen.path.startsWith("/k8s/clusters/c-1/apis/")));
});
