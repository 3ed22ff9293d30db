// SPDX-License-Identifier: Apache-2.0
// Tests real processes: exit codes, errors on stderr, the start-up line, signals, and draining.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { holding, startAgent } from "../doubles/agent.ts";
import { recordedBody } from "../webhook/recorded-request.ts";
import { startProcess } from "./process-under-test.ts";

const minimal = { AGENTS: "hsm-a=http://127.0.0.1:1", LISTEN_PORT: "0" };

t.test("processes that do not start exit 1 and say why on stderr", async (t) => {
  const rows: [sentence: string, role: string | undefined, env: Record<string, string>, expected: RegExp][] =
    [
      [
        "no role",
        undefined,
        {},
        /a role is needed; the roles are: webhook, agent, bot, discovery, conntest\nusage: .* webhook \| agent \| bot \| discovery\n.* conntest /,
      ],
      [
        "an unknown role",
        "toaster",
        {},
        /there is no role "toaster"; the roles are: webhook, agent, bot, discovery, conntest\n/,
      ],
      ["a role of Object", "constructor", {}, /there is no role "constructor"/],
      [
        "webhook with faults",
        "webhook",
        { LISTEN_PORT: "x", HOOK_TOKEN_FILE: "/none" },
        /^keyswitch webhook: the configuration has 3 faults:\n {2}LISTEN_PORT must be .*\n {2}HOOK_TOKEN_FILE \/none does not exist\n {2}AGENTS is required\n$/,
      ],
      [
        "a webhook beyond loopback without TLS and token",
        "webhook",
        { ...minimal, LISTEN_HOST: "0.0.0.0" },
        /has 1 fault:\n {2}LISTEN_HOST 0\.0\.0\.0 is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE and HOOK_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set\n$/,
      ],
      [
        "an agent with faults",
        "agent",
        {},
        /the configuration has 5 faults:\n(.*\n)* {2}PKCS11_MODULE is required\n/,
      ],
    ];
  for (const [sentence, role, env, expected] of rows) {
    t.test(sentence, async (t) => {
      const { ended, lines } = startProcess(t, role, env);
      const { code, stderr } = await ended;
      t.equal(code, 1);
      t.match(stderr, expected);
      t.equal(lines.length, 0, "nothing was logged");
    });
  }
  t.test("a port that is taken", async (t) => {
    const taken = createServer().listen(0, "127.0.0.1");
    t.teardown(() => taken.close());
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await startProcess(t, "webhook", { ...minimal, LISTEN_PORT: String(port) })
      .ended;
    t.equal(code, 1);
    t.match(stderr, /^keyswitch webhook: the start failed: .*\(EADDRINUSE\)\n$/);
  });
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  t.test(`${signal} ends a webhook with 0`, async (t) => {
    const webhook = startProcess(t, "webhook", minimal);
    await webhook.logged("ready");
    webhook.child.kill(signal);
    t.match(await webhook.ended, { code: 0, stderr: "" });
    t.match(webhook.lines.at(-1), { msg: "stopped" });
  });
}

t.test("a webhook whose log nobody reads any more still ends with 0", async (t) => {
  const webhook = startProcess(t, "webhook", minimal);
  await webhook.logged("ready");
  const exit = once(webhook.child, "exit");
  webhook.child.stdout.destroy();
  webhook.child.kill("SIGTERM");
  t.same(await exit, [0, null]);
});

t.test("SIGUSR1 opens no debugger", async (t) => {
  const webhook = startProcess(t, "webhook", minimal);
  await webhook.logged("ready");
  webhook.child.kill("SIGUSR1");
  await webhook.logged("this signal is ignored");
  webhook.child.kill("SIGTERM");
  t.match(await webhook.ended, { code: 0, stderr: "" });
});

t.test("a signal during the start ends it with 0", async (t) => {
  const webhook = startProcess(t, "webhook", minimal);
  await webhook.logged("starting");
  webhook.child.kill("SIGTERM");
  t.match(await webhook.ended, { code: 0, stderr: "" });
});

const startWithAgent = async (t: Test) => {
  const body = recordedBody("hsmsecret-sync-no-child");
  const { namespace, name } = body.parent.metadata;
  body.parent.spec.hsmPath = `secrets/${namespace}/${name}`;
  const agent = await startAgent(t, holding(body.parent.spec.hsmPath, { password: "value" }));
  const bearerToken = randomBytes(20).toString("hex");
  const root = t.testdir({ hook: bearerToken, agent: "agent-token" });
  const webhook = startProcess(t, "webhook", {
    LISTEN_PORT: "0",
    LOG_LEVEL: "debug",
    AGENTS: `hsm-a=${agent.origin}`,
    HOOK_TOKEN_FILE: join(root, "hook"),
    AGENT_TOKEN_FILE: join(root, "agent"),
  });
  const address = await webhook.address();
  const sync = (authorization: string) =>
    fetch(`${address}/hooks/hsmsecret/sync`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization, connection: "close" },
      body: JSON.stringify(body),
    });
  return { agent, webhook, address, sync, bearerToken };
};

t.test("a running webhook answers hooks, probes and metrics, and logs no token", async (t) => {
  const { agent, webhook, address, sync, bearerToken } = await startWithAgent(t);
  const starting = await webhook.logged("starting");
  t.match(starting, { role: "webhook", config: { agents: [{ name: "hsm-a" }], hookTokenFile: /hook$/ } });
  const answer = await sync(`Bearer ${bearerToken}`);
  t.match(await answer.json(), { children: [{ kind: "Secret", data: { password: "dmFsdWU=" } }] });
  t.equal(agent.requests[0]?.headers.authorization, "Bearer agent-token");
  t.equal((await sync("Bearer wrong")).status, 401);
  t.equal((await fetch(`${address}/readyz`)).status, 200);
  t.equal((await fetch(`${address}/metrics`)).status, 401);
  const metrics = await fetch(`${address}/metrics`, { headers: { authorization: `Bearer ${bearerToken}` } });
  t.match(await metrics.text(), /process_resident_memory_bytes/);
  t.notOk(JSON.stringify(webhook.lines).match(`${bearerToken}|agent-token|wrong`));
});

t.test("a request under way is answered before the process ends", async (t) => {
  const { agent, webhook, sync, bearerToken } = await startWithAgent(t);
  const held = agent.answer;
  const asked = new Promise<() => void>((resolve) => {
    agent.answer = (request, response) => resolve(() => held(request, response));
  });
  const answering = sync(`Bearer ${bearerToken}`);
  const release = await asked;
  webhook.child.kill("SIGTERM");
  await webhook.logged("stopping");
  release();
  t.equal((await answering).status, 200);
  t.match(await webhook.ended, { code: 0 });
});

const BEGINNINGS: Record<string, string> = {
  "has sent nothing": "",
  "has sent a part of its head": "POST /hooks/hsmsecret/sync HTTP/1.1\r\nHost: x\r\n",
};

for (const [what, text] of Object.entries(BEGINNINGS)) {
  t.test(`SIGTERM: a connection that ${what} does not hold the process up`, async (t) => {
    const webhook = startProcess(t, "webhook", minimal);
    const { hostname, port } = new URL(await webhook.address());
    const socket = connect(Number(port), hostname);
    t.teardown(() => socket.destroy());
    await once(socket, "connect");
    socket.on("error", () => {});
    socket.write(text);
    // The server has seen the connection when it has answered a later one.
    await (await fetch(`http://${hostname}:${port}/healthz`)).text();
    const began = performance.now();
    webhook.child.kill("SIGTERM");
    t.match(await webhook.ended, { code: 0, signal: null });
    t.ok(performance.now() - began < 8_000, "long before requests under way would be given up");
  });
}
