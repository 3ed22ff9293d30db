// SPDX-License-Identifier: Apache-2.0
// Tests a rotation of credentials under load with scripts/credentials.sh and the real kubectl: the engine reads them at a
// controller's start alone, pods see them late, connections are kept alive and ended in between, and no hook is rejected.
import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { connect } from "node:tls";
import t, { type Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { readyOf, statusOf } from "../../../scripts/local/hsmsecret-view.ts";
import { KINDS } from "../../../scripts/local/kinds.ts";
import { type Role, startStack } from "../../../scripts/local/stack.ts";
import { podSees } from "../../cases/engine/pod-files.ts";
import { root } from "../../manifests/rendered.ts";
import { runCredentials } from "./credentials-script.ts";
import { createHookLoad, type Loaded } from "./hook-load.ts";
import { keptConnections } from "./keep-alive-proxy.ts";

const { HSMSecret: hsmSecrets, Toggle: toggles } = KINDS;
const objects: Loaded[] = [
  ...["one", "two"].map((name) => ({ resource: hsmSecrets, namespace: "demo", name })),
  { resource: toggles, namespace: "demo", name: "web" },
];
const specOf = ({ resource, name }: Loaded) =>
  resource === toggles ? { selector: { matchLabels: { app: name } } } : { syncInterval: 3600 };

t.test("tokens and certificates rotate step by step, and no hook is refused", async (t) => {
  const load = createHookLoad();
  const connections = await keptConnections(t);
  const stack = await startStack({
    token: "in memory",
    onSync: load.onSync,
    webhookBehind: connections.port,
  });
  t.teardown(() => stack.close());
  const { kubectl } = stack;
  connections.to(Number(new URL(stack.urls.webhook).port));
  const apply = ["apply", "--server-side", "-k", join(root, "manifests/composite-controllers")];
  await kubectl([...apply, "--force-conflicts"]);
  await kubectl(["create", "namespace", "demo"]);
  await kubectl(["create", "deployment", "web", "--image=none", "-n", "demo"]);
  for (const object of objects) {
    const { apiVersion, kind } = object.resource;
    const metadata = { name: object.name, namespace: "demo" };
    const manifest = { apiVersion, kind, metadata, spec: specOf(object) };
    if (object.resource === hsmSecrets) {
      await stack.token.put(`secrets/demo/${object.name}`, { password: randomBytes(12).toString("hex") });
    }
    await kubectl(["apply", "-f", "-"], JSON.stringify(manifest));
  }
  const running = load.start(stack.urls.api, objects);
  t.teardown(() => running.end());

  const secret = async (name: string, key: string) => {
    const path = `jsonpath={.data.${key.replaceAll(".", "\\.")}}`;
    const text = await kubectl(["get", "secret", name, "-n", "keyswitch", "-o", path]);
    return Buffer.from(text, "base64").toString();
  };
  const generation = async (controller: string) =>
    kubectl(["get", "compositecontroller", controller, "-o", "jsonpath={.spec.hooks.sync.webhook.path}"]);
  const sees = (role: Role) => podSees(stack, role);
  let turn = 0;
  let ended = 0;
  let seen = 0;
  /** The minutes between two steps: pods see the change one after the other, in either order, while syncs go on. */
  const catchUp = async () => {
    await running.flows();
    turn += 1;
    const roles: Role[] = turn % 2 === 0 ? ["webhook", "agent"] : ["agent", "webhook"];
    for (const role of roles) {
      seen += await sees(role);
      await running.flows();
    }
    await running.paused(async () => {
      await stack.idle();
      ended += await connections.end();
    });
    await running.flows();
  };
  const folder = t.testdir();
  const meanwhileOf = (seconds: number) => (seconds < 60 ? running.flows() : catchUp());
  const rotate = (args: readonly string[], meanwhile = meanwhileOf) =>
    runCredentials({ kubeconfig: stack.kubeconfig, folder, meanwhile }, ["--apply", ...args]);
  const keep = ["--keep-ca", `${folder}/ca`, "--san", "127.0.0.1"];
  const shownCertificate = async (role: Role) => {
    const { port } = new URL(stack.urls[role]);
    const socket = connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    return certificate;
  };
  const nothingWasRefused = (t: Test) => {
    t.same(load.failures, []);
    const refused = stack.logs().filter((line) => /"status":(4|5)\d\d|"code":"[A-Z]/.test(line));
    t.same(refused, [], "by webhook or agent");
  };

  await t.test("tokens, a step at a time", async (t) => {
    await running.flows();
    const before = await secret("keyswitch-hook-token", "token");
    for (const step of ["add", "use", "drop"]) {
      await rotate(["--rotate-tokens", step]);
      await catchUp();
      nothingWasRefused(t);
    }
    t.not(await secret("keyswitch-hook-token", "token"), before);
    t.equal(await secret("keyswitch-hook-token", "accepted"), await secret("keyswitch-hook-token", "token"));
    t.same([await generation("hsmsecret"), await generation("toggle")], ["credentials-2", "credentials-2"]);
  });

  await t.test("certificates under a new CA", async (t) => {
    const before = await secret("keyswitch-webhook-tls", "ca.crt");
    await rotate(["--rotate", "--only", "tls", ...keep]);
    await catchUp();
    nothingWasRefused(t);
    for (const role of ["webhook", "agent"] as const) {
      const ca = await secret(`keyswitch-${role}-tls`, "ca.crt");
      t.notOk(ca.includes(before), "the old CA is gone");
      const certificate = await shownCertificate(role);
      t.ok(certificate?.verify(new X509Certificate(ca).publicKey), `the ${role} shows a new one`);
    }
  });

  await t.test("certificates under the same CA", async (t) => {
    const before = [await generation("hsmsecret"), await secret("keyswitch-webhook-tls", "tls.crt")];
    await rotate(["--rotate", "--only", "tls", ...keep]);
    await catchUp();
    nothingWasRefused(t);
    t.equal(await generation("hsmsecret"), before[0], "Metacontroller has nothing to read");
    t.not(await secret("keyswitch-webhook-tls", "tls.crt"), before[1]);
  });

  await t.test("the manifests can be applied again, which leaves the controllers as they are", async (t) => {
    const before = await generation("hsmsecret");
    await kubectl(apply);
    t.equal(await generation("hsmsecret"), before);
    await running.flows();
    nothingWasRefused(t);
  });

  await t.test("there was something to refuse, and each secret is as it should be", async (t) => {
    t.ok(ended >= 8, `${ended} kept connections were ended`);
    t.ok(seen >= 20, `${seen} files changed under the processes`);
    t.comment(`${load.syncs()} syncs`);
    for (const { resource, name } of objects) {
      if (resource === hsmSecrets) t.equal(readyOf(await statusOf(kubectl, "demo", name)), "True Synced");
    }
  });

  await t.test(
    "without the waits hooks are refused until the pods see the change, and then no more",
    async (t) => {
      await rotate(["--rotate", "--only", "tokens", "--wait", "0"], async () => {});
      await eventually("a hook is refused", async () => load.failures.length > 0);
      t.match(load.failures[0], /unsupported status code: 401/);
      await sees("webhook");
      await running.flows();
      await sees("agent");
    },
  );
});
