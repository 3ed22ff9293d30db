// SPDX-License-Identifier: Apache-2.0
// Credentials from an exec plugin: a real program gives tokens and certificates, which count until they expire or are refused.

import { inspect } from "node:util";
import t from "tap";
import { RequestImpossible } from "../../server/kubernetes/api-failure.ts";
import { ASIDE, V1, V1BETA1 } from "../doubles/exec-plugin.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { credentialsOf, execOf, newFolder, newProgram, newToken, read, soon } from "./exec-scene.ts";

for (const version of [V1, V1BETA1]) {
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
}

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
    const elsewhere = { ...named, env: [{ name: "PATH", value: "/nowhere" }] };
    await credentialsOf(t, { exec: elsewhere, env }).current(soon());
    t.equal(plugin.calls().at(-1)?.env.PATH, "/nowhere", "the plugin's own PATH is for what it starts");
    t.equal(plugin.calls().length, 3);
    t.same(
      plugin.calls().map(({ info }) => (info as { spec: object }).spec),
      [{ interactive: false }, { interactive: false }, { interactive: false }],
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

t.test("what can't be started at all says so without citing what it was to be started with", async (t) => {
  const { plugin, folder } = newProgram();
  const secret = newToken();
  const exec = execOf(plugin);
  const rows: readonly (readonly [object, string])[] = [
    [{ args: [`${secret}\0`] }, "ERR_INVALID_ARG_VALUE"],
    [{ env: [{ name: "A", value: `${secret}\0` }] }, "ERR_INVALID_ARG_VALUE"],
    // Linux takes 128 KiB in one variable: a bundle of CAs beside provideClusterInfo can be longer.
    [{ env: [{ name: "A", value: secret.repeat(8192) }] }, "E2BIG"],
    [{ command: `${plugin.command}/x` }, "ENOTDIR"],
  ];
  for (const [more, code] of rows) {
    const scene = { exec: { ...exec, ...more }, folder };
    const error = await credentialsOf(t, scene)
      .current(soon())
      .catch((error: unknown) => error);
    t.ok(error instanceof RequestImpossible);
    t.match(error, {
      message: new RegExp(`can't be asked: the exec plugin \\S+ can't be started \\(${code}\\)$`),
    });
    t.notMatch(inspect(error), secret);
  }
});

t.test("what a program writes null for it has not", async (t) => {
  const { plugin } = newProgram();
  const token = newToken();
  plugin.gives({ token, clientCertificateData: null, clientKeyData: null, expirationTimestamp: null });
  t.same(await credentialsOf(t, { exec: execOf(plugin) }).current(soon()), { token });
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
  await t.rejects(closed.current(soon()), { message: /was ended$/ });
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
