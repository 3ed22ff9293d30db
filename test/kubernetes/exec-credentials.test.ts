// SPDX-License-Identifier: Apache-2.0
// Credentials from an exec plugin: a real program gives tokens and certificates, which count until they expire or are refused.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect, promisify } from "node:util";
import t, { type Test } from "tap";
import { stringify } from "yaml";
import { deepFreeze, type Environment, readVariables } from "../../server/config/variables.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { ExecCredentials, type ExecCredentialsOptions } from "../../server/kubernetes/exec-credentials.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { startConnectProxy } from "./connect-proxy.ts";
import { ASIDE, type PluginProgram, pluginProgram, V1, V1BETA1 } from "./exec-plugin-program.ts";
import { type HttpProxy, startHttpProxy, statusOf } from "./http-proxy.ts";
import { COLLECTION, patchOf, startApi, watchToggles } from "./toggle-scene.ts";

const newToken = () => randomBytes(16).toString("hex");

const root = t.testdir({});
const newFolder = () => mkdtempSync(join(root, "scene-"));

/** A program and the folder that it is in. */
const newProgram = () => {
  const folder = newFolder();
  return { folder, plugin: pluginProgram(folder) };
};

type Scene = { exec: object; cluster?: object; env?: Environment; folder?: string };

/** The configuration of a kubeconfig whose user has this exec plugin. */
const read = ({ exec, cluster = {}, env = {}, folder = newFolder() }: Scene) => {
  const path = join(folder, "kubeconfig");
  const contents = {
    "current-context": "here",
    clusters: [{ name: "c", cluster: { server: "https://api.example", ...cluster } }],
    contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: { exec } }],
  };
  writeFileSync(path, stringify(contents));
  const reader = readVariables({ PATH: process.env.PATH, ...env, KUBECONFIG: path }, KUBERNETES_VARIABLES);
  const config = readKubernetes(reader);
  if (config === undefined) throw new Error(JSON.stringify(reader.faults));
  return deepFreeze(config);
};

const execOf = (plugin: PluginProgram, more: object = {}) => ({
  apiVersion: V1,
  command: plugin.command,
  interactiveMode: "IfAvailable",
  ...more,
});

const credentialsOf = (t: Test, scene: Scene, options?: ExecCredentialsOptions): ExecCredentials => {
  const { credentials } = read(scene);
  if (credentials.kind !== "exec") throw new Error("no plugin");
  const source = new ExecCredentials(credentials.plugin, options);
  t.teardown(() => source.close());
  return source;
};

const soon = () => AbortSignal.timeout(20_000);

for (const version of [V1, V1BETA1])
  t.test(`a plugin of ${version} is told what it is called for, and where`, async (t) => {
    const { plugin, folder } = newProgram();
    const token = newToken();
    plugin.gives({ token }, version);
    const authority = createAuthority(folder);
    const cluster = {
      "certificate-authority": authority.caFile,
      "tls-server-name": "api",
      extensions: [{ name: "client.authentication.k8s.io/exec", extension: { audience: "x" } }],
    };
    const exec = execOf(plugin, {
      apiVersion: version,
      args: ["get-token", "--cluster", "c 1"],
      env: [{ name: "REGION", value: "eu" }],
      provideClusterInfo: true,
    });
    const source = credentialsOf(t, { exec, cluster, env: { HOME: "/home/ann" } });
    t.same(await source.current(soon()), { token });
    const [call] = plugin.calls();
    t.same(call?.args, ["get-token", "--cluster", "c 1"]);
    t.match(call?.env, { REGION: "eu", HOME: "/home/ann", PATH: process.env.PATH ?? "" });
    t.same(call?.info, {
      kind: "ExecCredential",
      apiVersion: version,
      spec: {
        interactive: false,
        cluster: {
          server: "https://api.example",
          "tls-server-name": "api",
          "certificate-authority-data": authority.ca.toString("base64"),
          config: { audience: "x" },
        },
      },
    });
  });

t.test(
  "a command with a slash is relative to the kubeconfig, one without is looked up in PATH",
  async (t) => {
    const { plugin, folder } = newProgram();
    plugin.gives({ token: newToken() }, V1BETA1);
    const relative = execOf(plugin, {
      apiVersion: V1BETA1,
      command: "./get-credentials",
      interactiveMode: null,
    });
    await credentialsOf(t, { exec: relative, folder }).current(soon());
    const named = execOf(plugin, { apiVersion: V1BETA1, command: "get-credentials" });
    const env = { PATH: `${folder}:${process.env.PATH}` };
    await credentialsOf(t, { exec: named, env }).current(soon());
    t.equal(plugin.calls().length, 2);
    t.same(
      plugin.calls().map(({ info }) => (info as { spec: object }).spec),
      [{ interactive: false }, { interactive: false }],
    );
  },
);

t.test("credentials are kept until they expire; who asks meanwhile waits for the same run", async (t) => {
  const { plugin } = newProgram();
  const [first, second] = [newToken(), newToken()];
  let now = Date.parse("2030-01-01T00:00:00Z");
  const clock = { now: () => now, after: () => () => {} };
  plugin.gives({ token: first, expirationTimestamp: "2030-01-01T00:10:00Z" });
  const source = credentialsOf(t, { exec: execOf(plugin) }, { clock });
  const tokens = await Promise.all([1, 2, 3].map(async () => (await source.current(soon())).token));
  t.same(tokens, [first, first, first]);
  plugin.gives({ token: second });
  now += 599_999;
  t.equal((await source.current(soon())).token, first);
  t.equal(plugin.calls().length, 1);
  now += 1;
  t.equal((await source.current(soon())).token, second);
  now += 1e12;
  t.equal((await source.current(soon())).token, second, "without a time they count until they are refused");
  t.equal(plugin.calls().length, 2);
});

t.test("who does not wait any longer leaves the plugin to the others", async (t) => {
  const { plugin } = newProgram();
  const token = newToken();
  plugin.gives({ token });
  const source = credentialsOf(t, { exec: execOf(plugin) });
  const impatient = source.current(AbortSignal.abort(new Error("enough")));
  const patient = source.current(soon());
  await t.rejects(impatient, { message: "enough" });
  t.same(await patient, { token });
  t.equal(plugin.calls().length, 1);
});

t.test("what fails says the command, how it ended and what to install, and no more", async (t) => {
  const { plugin } = newProgram();
  const secret = newToken();
  const status = (fields: object) =>
    JSON.stringify({ kind: "ExecCredential", apiVersion: V1, status: fields });
  const pair = createAuthority(newFolder()).issue("ann");
  const [cert, key] = [pair.cert.toString(), pair.key.toString()];
  const other = createAuthority(newFolder()).issue("ben").key.toString();
  const rows: readonly (readonly [string, number, string])[] = [
    [secret, 3, "failed with exit code 3"],
    [secret, 0, "printed something that is no ExecCredential with a status"],
    [
      JSON.stringify({ kind: "ExecCredential", apiVersion: V1 }),
      0,
      "printed something that is no ExecCredential",
    ],
    [status({ token: "x".repeat(2 ** 21) }), 0, "printed something that is no ExecCredential"],
    [status({}), 0, "printed neither a token nor a client certificate"],
    [status({ token: `${secret} x` }), 0, "printed a token that is no bearer token"],
    [
      status({ token: secret, expirationTimestamp: "soon" }),
      0,
      "printed an expirationTimestamp that is no time",
    ],
    [status({ clientCertificateData: cert }), 0, "printed a clientCertificateData without a clientKeyData"],
    [
      status({ clientCertificateData: cert, clientKeyData: other }),
      0,
      "printed a clientCertificateData and a clientKeyData that do not fit together",
    ],
    [
      JSON.stringify({ kind: "ExecCredential", apiVersion: V1BETA1, status: { token: secret } }),
      0,
      `printed an ExecCredential that is not of ${V1}`,
    ],
  ];
  const exec = execOf(plugin, {
    args: ["--secret", secret],
    env: [{ name: "SECRET", value: secret }],
    installHint: "get it from\nexample.org",
  });
  for (const [text, exitCode, expected] of rows) {
    plugin.prints(text, exitCode);
    const error = await credentialsOf(t, { exec })
      .current(soon())
      .catch((error: unknown) => error);
    const message = error instanceof Error ? error.message : "";
    t.match(message, `can't be asked: the exec plugin ${plugin.command} ${expected}`);
    t.ok(message.endsWith("(get it from example.org)"), message);
    for (const hidden of [secret, ASIDE, key.slice(40, 80)]) t.notMatch(message, hidden);
  }
  const missing = { ...exec, command: "keyswitch-no-such-plugin" };
  await t.rejects(credentialsOf(t, { exec: missing }).current(soon()), {
    message:
      "can't be asked: the exec plugin keyswitch-no-such-plugin is not found (get it from example.org)",
  });
});

t.test("a plugin that hangs is ended, and so is one that runs when nobody needs it any longer", async (t) => {
  const { plugin } = newProgram();
  plugin.prints("hang");
  const slow = credentialsOf(t, { exec: execOf(plugin) }, { timeoutMs: 700 });
  await t.rejects(slow.current(soon()), { message: /did not end within 0\.7 s$/ });
  const closed = credentialsOf(t, { exec: execOf(plugin) });
  const waiting = closed.current(soon());
  closed.close();
  await t.rejects(waiting, { message: /was ended$/ });
});

t.test("neither arguments nor environment are printed with the configuration", async (t) => {
  const { plugin } = newProgram();
  const secret = newToken();
  const exec = execOf(plugin, { args: [secret], env: [{ name: "A", value: secret }] });
  const config = read({ exec, env: { HOME: secret } });
  const log = recordedLog();
  log.logger.info({ config }, "configuration");
  t.match(log.text(), plugin.command);
  t.notMatch(`${log.text()}${JSON.stringify(config)}${inspect(config, { depth: 9 })}`, secret);
});

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
  const give = (name: string) => {
    const { cert, key } = authority.issue(name);
    plugin.gives({ clientCertificateData: cert.toString(), clientKeyData: key.toString() });
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
