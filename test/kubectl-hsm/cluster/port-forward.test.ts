// SPDX-License-Identifier: Apache-2.0
// Tests the connection to the agent through the cluster: namespace of the context, credentials, certificate, and a port-forward
// that ends.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { madeUp, startAgent, temporaryFolder, valueAt } from "../fixture.ts";
import { secretData, startCluster } from "./cluster.ts";

t.test("the namespace, the CA, the token and the port-forward are the cluster's", async (t) => {
  const cluster = await startCluster(t);
  const value = madeUp();
  const created = await cluster.run(["create", "db", "--from-file=pass=-"], { input: value });
  t.match(created, { code: 0, stdout: "secrets/shop/db created on hsm-a: pass\n", stderr: "" });
  t.equal(await valueAt(cluster.agent.store, "secrets/shop/db", "pass"), value);
  t.notOk(cluster.forwarding(), "the port-forward is ended");
  const calls = cluster.kubectlCalls();
  t.match(calls, /config view --minify/);
  t.match(calls, /port-forward --address=127\.0\.0\.1 -n keyswitch pod\/keyswitch-agent-x7k2p :8444/);
  t.match(calls, /get secret keyswitch-agent-token -n keyswitch -o jsonpath=\{\.data\.write\}/);
  t.notMatch(calls, /tls\.key/, "the private key is not asked for");
  const got = await cluster.run(["get", "db", "--key", "pass"]);
  t.equal(got.stdout, value);
  t.match(
    cluster.kubectlCalls().slice(calls.length),
    /jsonpath=\{\.data\.read\}/,
    "reading takes the read token",
  );
  t.match(await cluster.run(["list", "-n", "other"]), {
    code: 0,
    stdout: "",
    stderr: /no secret at secrets\/other\//,
  });
  t.match(await cluster.run(["get", "none"]), { code: 7 });
  t.notOk(cluster.forwarding(), "also after a failure");
  await cluster.api.kubectl("config unset contexts.keyswitch-local.namespace");

  t.test("directly, with the CA and the token in files", async (t) => {
    const folder = temporaryFolder(t);
    const { "ca.crt": ca = "" } = await secretData(cluster.api, "keyswitch", "keyswitch-agent-tls");
    writeFileSync(join(folder, "ca.crt"), ca);
    const direct = [
      "list",
      "-n",
      "shop",
      "--server",
      cluster.agent.url,
      "--token-file",
      cluster.agent.writeTokenFile,
    ];
    const trusted = [...direct, "--ca-file", join(folder, "ca.crt")];
    const before = cluster.kubectlCalls();
    t.match(await cluster.run([...trusted, "--server-name", "keyswitch-agent"]), { code: 0, stdout: /db/ });
    t.match(await cluster.run(trusted), { code: 3, stderr: /not trusted \(ERR_TLS_CERT_ALTNAME_INVALID\)/ });
    t.match(await cluster.run(direct), { code: 3, stderr: /has a certificate that is not trusted/ });
    t.equal(cluster.kubectlCalls(), before, "kubectl is not needed for it");
  });
  t.test("several agents need a choice", async (t) => {
    const other = await startAgent(t);
    await cluster.addPod("keyswitch-agent-b-q", "hsm-b", other);
    t.match(await cluster.run(["list"]), { code: 2, stderr: /choose one with --agent hsm\|hsm-b/ });
    t.match(await cluster.run(["list", "--agent", "hsm-c"]), { code: 3, stderr: /there are: hsm, hsm-b/ });
    t.match(await cluster.run(["list", "--agent", "hsm"]), { code: 0 });
  });
  t.test("an agent of an HSMDevice is one, too", async (t) => {
    const labels = { "app.kubernetes.io/name": "keyswitch-hsmdevice-agent", "hsm.j5t.io/hsmdevice": "pico" };
    await cluster.addPod(
      "pico-a-1",
      "pico-a",
      await startAgent(t, { tls: cluster.listener.tls, tokens: cluster.listener.tokens }),
      labels,
    );
    t.match(await cluster.run(["list", "--agent", "pico-a"]), { code: 0 });
    t.match(await cluster.run(["list", "--agent", "none"]), { code: 3, stderr: /there are: .*, pico-a$/m });
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "pin"), "12345678");
    writeFileSync(join(folder, "new"), "12345679");
    const pins = ["--current-pin-file", join(folder, "pin"), "--new-pin-file", join(folder, "new")];
    t.match(await cluster.run(["rotate-pin", "--agent", "pico-a", ...pins]), {
      code: 2,
      stderr: /one of the HSMDevice pico, .* use --hsm-device/,
    });
  });
  t.test("where there is none, and where the credentials are missing", async (t) => {
    const elsewhere = ["list", "--keyswitch-namespace", "shop"];
    t.match(await cluster.run(elsewhere), { code: 3, stderr: /no agent runs in the namespace shop/ });
    await cluster.api.kubectl("delete secret keyswitch-agent-token -n keyswitch");
    const missing = await cluster.run(["list", "--agent", "hsm"]);
    t.match(missing, {
      code: 3,
      stderr: /Secret keyswitch\/keyswitch-agent-token is missing, or has no key read/,
    });
    const noContext = await cluster.run(["list", "--context", "none"]);
    t.match(noContext, { code: 2, stderr: /the namespace is not known: give it with -n/ });
  });
});

t.test("a certificate that the cluster's CA did not sign is not talked to", async (t) => {
  const cluster = await startCluster(t);
  const other = await startCluster(t);
  await cluster.addPod("keyswitch-agent-evil", "evil", other.agent);
  const ran = await cluster.run(["list", "--agent", "evil"]);
  t.match(ran, { code: 3, stderr: /has a certificate that is not trusted/ });
  t.same(other.agent.seen, [], "not even the token was sent");
  t.notOk(cluster.forwarding());
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  t.test(`${signal} in the middle of a request ends the port-forward too`, async (t) => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const cluster = await startCluster(t, {
      over: (store) => ({
        ...store,
        list: () => {
          resolve();
          return new Promise(() => {});
        },
      }),
    });
    let kill = (_: NodeJS.Signals): boolean => false;
    const running = cluster.run(["list"], { onSpawn: (child) => (kill = (name) => child.kill(name)) });
    await asked;
    t.ok(cluster.forwarding());
    kill(signal);
    t.match(await running, { code, stderr: `error: ended by ${signal}.` });
    t.notOk(cluster.forwarding());
  });
}
