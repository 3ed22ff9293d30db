// SPDX-License-Identifier: Apache-2.0
// Tests webhook and agent as real processes with TLS under attack: their memory stays bounded, and authorized callers are
// answered.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createSecureContext } from "node:tls";
import t, { type Test } from "tap";
import { startMeasuringProcess } from "../../scripts/bench/measuring-process.ts";
import { startAgentOn, tokenFixture } from "../agent/pkcs11/token-fixture.ts";
import { compileCache } from "../compile-cache.ts";
import { holding, startAgent } from "../doubles/agent.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedBody } from "../webhook/recorded-request.ts";
import { type Attack, Attacked } from "./attackers.ts";
import { startProcess } from "./process-under-test.ts";

t.setTimeout(590_000);

/** How much of what it held before an attack a process may hold at its worst moment. */
const BY_STRANGERS_AT_MOST = 1.5;
const BY_CALLERS_AT_MOST = 2;
const authority = createAuthority(t.testdir({}));
const { certFile, keyFile } = authority.issue("server");
const tls = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
const secureContext = createSecureContext({ ca: authority.ca });
/** As the kubelet: a connection for each request. */
const single = new Agent({ keepAlive: false, maxCachedSessions: 0, secureContext });
/** As Metacontroller and the webhook. */
const kept = new Agent({ keepAlive: true, maxSockets: 1, secureContext });
t.teardown(() => kept.destroy());

/** `before`: its resident memory before all attacks. */
type Target = { pid: number; host: string; port: number; before: number };
type Asked = { path: string; agent: Agent; method?: string; body?: string; bearerToken?: string };
type Way = Pick<Attack, "kind" | "count" | "request">;

/** The status of a request on a connection of its own. */
const ask = async ({ host, port }: Target, { body, bearerToken, ...asked }: Asked): Promise<number> => {
  const headers = {
    ...(bearerToken !== undefined && { authorization: `Bearer ${bearerToken}` }),
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  // Another address than that of the attackers.
  const outgoing = request({ host, port, headers, localAddress: "127.0.0.2", ...asked }).end(body);
  const [answer] = await once(outgoing, "response");
  await text(answer);
  return Number(answer.statusCode);
};

/** Mebibytes. Linux: proc_pid_status(5). */
const memoryOf = (pid: number, field: "VmRSS" | "VmHWM"): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

const targetOf = (pid: number | undefined, address: string): Target => {
  const { hostname, port } = new URL(address);
  return { pid: pid ?? 0, host: hostname, port: Number(port), before: 0 };
};

/** Attacks that take no credentials. */
const BY_STRANGERS: Record<string, Way> = {
  "requests without end on connections that are never read": { kind: "pipelined", count: 120 },
  "idle TLS connections": { kind: "idle-tls", count: 300 },
  "connections without a handshake": { kind: "tcp", count: 1000 },
};

/** Attacks while others ask honestly, and compares the memory. */
const during = async (t: Test, target: Target, way: Way, honest: () => Promise<number>): Promise<void> => {
  const attackers = startMeasuringProcess(new URL("attackers.ts", import.meta.url).href, Attacked);
  t.teardown(() => attackers.stop());
  const { host, port, before } = target;
  writeFileSync(`/proc/${target.pid}/clear_refs`, "5"); // VmHWM begins anew: proc_pid_clear_refs(5).
  const said = { probes: new Set<number>(), honest: new Set<number>() };
  let over = false;
  const asking = (async () => {
    do {
      said.probes.add(await ask(target, { path: "/healthz", agent: single }));
      said.honest.add(await honest());
    } while (!over);
  })();
  const attack = attackers.ask({ ...way, host, port, ca: String(authority.ca) } satisfies Attack);
  const { statuses } = await attack.finally(() => {
    over = true;
  });
  await asking;
  const peak = memoryOf(target.pid, "VmHWM");
  t.same([...said.probes], [200], "each probe was answered");
  t.same([...said.honest], [200], "each honest caller was served");
  if (way.kind === "requests") t.ok(statuses.includes(200), "some of the attackers were served");
  const most = way.kind === "requests" ? BY_CALLERS_AT_MOST : BY_STRANGERS_AT_MOST;
  const [was, worst] = [before, peak].map(Math.round);
  t.ok(
    peak < most * before,
    `less than ${most} times as much memory: ${was} MiB before, ${worst} at the worst`,
  );
};

t.test("a webhook", async (t) => {
  const bearerToken = randomBytes(20).toString("hex");
  const body = recordedBody("hsmsecret-sync-no-child");
  const { namespace, name } = body.parent.metadata;
  body.parent.spec.hsmPath = `secrets/${namespace}/${name}`;
  const agent = await startAgent(t, holding(body.parent.spec.hsmPath, { password: "value" }));
  const webhook = startProcess(t, "webhook", {
    ...tls,
    NODE_COMPILE_CACHE: compileCache,
    LISTEN_PORT: "0",
    HOOK_TOKEN_FILE: join(t.testdir({ hook: bearerToken }), "hook"),
    AGENTS: `hsm-a=${agent.origin}`,
  });
  const target = targetOf(webhook.child.pid, await webhook.address());
  const sync = { method: "POST", path: "/hooks/hsmsecret/sync", bearerToken, body: JSON.stringify(body) };
  const honest = () => ask(target, { ...sync, agent: kept });
  for (let i = 0; i < 50; i += 1) await honest();
  target.before = memoryOf(target.pid, "VmRSS");
  for (const [sentence, way] of Object.entries(BY_STRANGERS)) {
    await t.test(sentence, (t) => during(t, target, way, honest));
  }
  await t.test("large hooks", async (t) => {
    body.parent.metadata.annotations = { padding: "x".repeat(7.5e6) };
    const large = { ...sync, body: JSON.stringify(body) };
    await during(t, target, { kind: "requests", count: 32, request: large }, honest);
  });
});

/** The one that holds values of its own, and so grows more; both with KEYSWITCH_ALL_ATTACKS=1. */
const caches = process.env.KEYSWITCH_ALL_ATTACKS === "1" ? ["live", "cached"] : ["cached"];
for (const cache of caches) {
  t.test(`large answers of an agent whose module is ${cache}`, async (t) => {
    const bearerToken = randomBytes(20).toString("hex");
    const { token: hsm } = await tokenFixture(t);
    await hsm.putPacked("secrets/a/large", { key: randomBytes(1024 * 1024 - 100) });
    await hsm.putPacked("secrets/a/small", { key: randomBytes(20) });
    const agent = await startAgentOn(t, hsm, {
      ...tls,
      PKCS11_CACHE: cache,
      READ_TOKEN_FILE: join(t.testdir({ read: bearerToken }), "read"),
    });
    const target = targetOf(agent.process.pid, agent.url);
    const read = (path: string) => ({ method: "GET", path: `/v1/secrets/secrets/a/${path}`, bearerToken });
    const honest = () => ask(target, { ...read("small"), agent: kept });
    for (let i = 0; i < 50; i += 1) await honest();
    target.before = memoryOf(target.pid, "VmRSS");
    await during(t, target, { kind: "requests", count: 120, request: read("large") }, honest);
  });
}
