// SPDX-License-Identifier: Apache-2.0
// Tests the webhook's clients against agent processes on SoftHSM2 tokens: one agent by itself, and a set of two with a failover.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import type { RoleBody, RoleOrder } from "../../server/agent-api/role-schema.ts";
import { createAgentClient } from "../../server/webhook/agent-client.ts";
import { openAgentSets } from "../../server/webhook/agent-set.ts";
import { createAgentWriter } from "../../server/webhook/agent-writer.ts";
import { type AgentProcess, startAgent, tokenFixture } from "../agent/pkcs11/token-fixture.ts";
import { recordedLog } from "../http/recorded-log.ts";

t.setTimeout(590_000);
const path = "secrets/team-a/db";
const read = { path, fresh: false, requestId: "id-1" };
const how = { requestId: "id-1", timeoutMs: 8000 };

/** Token files of the agents and of the webhook. */
const credentials = (t: Test) => {
  const token = () => randomBytes(24).toString("base64url");
  const tokens = { read: token(), write: token(), role: token() };
  const root = t.testdir(tokens);
  const at = (name: keyof typeof tokens) => join(root, name);
  return { ...tokens, at };
};

type Credentials = ReturnType<typeof credentials>;

const clientsOf = (t: Test, { at }: Credentials, port: string, addresses: string[]) => {
  let now = 0;
  const agents = [{ name: "hsm", origin: `http://localhost:${port}`, isSet: true as const }];
  const { logger } = recordedLog();
  const sets = openAgentSets(agents, {
    ...{ logger, tokenFile: at("read"), now: () => now },
    resolve: async () => addresses,
  });
  const client = createAgentClient({ agents, sets, logger });
  const writer = createAgentWriter({ agents, sets, tokenFile: at("write"), logger });
  t.teardown(() => Promise.all([client.close(), writer.close()]));
  return {
    client,
    writer,
    rolesGrowOld: () => {
      now += 2000;
    },
  };
};

const writeOf = (value: string) => {
  const data = { password: Buffer.from(value).toString("base64") };
  return {
    ...{ method: "put" as const, path, device: "hsm", data, source: "keyswitch:x" },
    checksum: checksumOfBase64(data),
    quota: { prefix: "secrets/team-a/", objects: 10 },
  };
};

/** Orders an agent its role, standing on what it says of itself, as the hook of HSMDevices does. */
const order = async (t: Test, agent: AgentProcess, { role }: Credentials, fields: Partial<RoleOrder>) => {
  const headers = { authorization: `Bearer ${role}`, "content-type": "application/json" };
  const told = (await (await fetch(`${agent.url}/v1/role`, { headers })).json()) as RoleBody;
  const body = {
    ...{ set: "demo/hsm", epoch: 1, role: "mirror", primary: "hsm-a", member: told.device },
    ...{ ttlSeconds: 300, instance: told.instance, clockMs: told.clockMs, policy: "ReadOnly", members: [] },
    ...{ syncIntervalSeconds: 60, ...fields },
  };
  const answer = await fetch(`${agent.url}/v1/role`, { method: "PUT", headers, body: JSON.stringify(body) });
  t.equal(answer.status, 200, `${told.device} takes its role`);
};

/** Has a mirror pull, and waits for it. */
const pulled = async (agent: AgentProcess, { read }: Credentials, body: object): Promise<number> => {
  const headers = { authorization: `Bearer ${read}`, "content-type": "application/json" };
  const url = `${agent.url}/v1/mirror/pull`;
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).status;
};

t.test("an agent of no set behind the name of a set is asked for itself", async (t) => {
  const files = credentials(t);
  const settings = { READ_TOKEN_FILE: files.at("read"), WRITE_TOKEN_FILE: files.at("write") };
  const agent = await startAgent(t, await tokenFixture(t), settings);
  const { client, writer } = clientsOf(t, files, new URL(agent.url).port, ["127.0.0.1"]);
  t.same(await client.read(read), { outcome: "absent", device: "hsm" });
  t.same(await writer.write(writeOf("one"), how), { outcome: "written" });
  const { standing, epoch, version } = (await client.read(read)) as Record<string, unknown>;
  t.same({ standing, epoch, version }, { standing: undefined, epoch: undefined, version: 1 });
  t.same(await writer.remove({ path }, how), { outcome: "removed" });
});

t.test(
  "a set of two: writes go to the primary, its death is told, and the next one begins an epoch",
  async (t) => {
    const files = credentials(t);
    const settings = {
      READ_TOKEN_FILE: files.at("read"),
      WRITE_TOKEN_FILE: files.at("write"),
      ROLE_TOKEN_FILE: files.at("role"),
    };
    const a = await startAgent(t, await tokenFixture(t), { ...settings, LISTEN_HOST: "127.0.0.2" });
    const { port } = new URL(a.url);
    const own = { LISTEN_HOST: "127.0.0.3", LISTEN_PORT: port, DEVICE_NAME: "hsm-b" };
    const b = await startAgent(t, await tokenFixture(t), { ...settings, ...own });
    const { client, writer, rolesGrowOld } = clientsOf(t, files, port, ["127.0.0.3", "127.0.0.2"]);
    t.match(await client.read(read), { outcome: "unavailable" }, "without a lease nothing is known");
    t.match(await writer.write(writeOf("one"), how), { code: "NO_LEASE" });

    await order(t, a, files, { role: "primary", found: true });
    const address = new URL(a.url).host;
    await order(t, b, files, { members: [{ id: "hsm-a", address }, { id: "hsm-b" }] });
    rolesGrowOld();
    t.match(await client.read(read), { outcome: "absent", standing: { role: "primary", member: "hsm-a" } });
    t.same(await writer.write(writeOf("one"), how), { outcome: "written" });
    t.match(await client.read(read), {
      outcome: "found",
      version: 1,
      epoch: 1,
      standing: { member: "hsm-a" },
    });

    const pull = { set: "demo/hsm", epoch: 1, primary: "hsm-a" };
    t.equal(await pulled(b, files, pull), 200, "the mirror has it");
    rolesGrowOld();
    await client.read(read);
    await writer.write({ ...writeOf("unpulled"), ifMatch: writeOf("one").checksum }, how);

    const ended = once(a.process, "exit");
    a.process.kill("SIGKILL");
    await ended;
    const startedAt = performance.now();
    const mirrored = await client.read(read);
    t.ok(
      performance.now() - startedAt < 5000,
      "the next reading after its death is there long before its time is over",
    );
    t.match(mirrored, {
      outcome: "found",
      version: 1,
      mirror: true,
      standing: { role: "mirror", isCopy: true },
    });

    await order(t, b, files, { role: "primary", primary: "hsm-b", epoch: 2 });
    rolesGrowOld();
    const standing = { role: "primary", epoch: 2, member: "hsm-b" };
    t.match(await client.read(read), { outcome: "found", version: 1, epoch: 1, standing });
    for (const [from, to] of [
      ["one", "two"],
      ["two", "three"],
    ] as const) {
      const next = { ...writeOf(to), ifMatch: writeOf(from).checksum };
      t.same(await writer.write(next, how), { outcome: "written" });
    }
    const last = await client.read(read);
    t.match(last, { outcome: "found", version: 3, epoch: 2, standing });
    t.same("history" in last && last.history, [[1, 1]], "which knows nothing of what nobody had pulled");
  },
);
