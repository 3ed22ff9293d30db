// SPDX-License-Identifier: Apache-2.0
// Tests readings of a set of HSMs over real connections: who is asked, what counts, and how soon a mirror answers.
import t, { type Test } from "tap";
import { createAgentClient } from "../../server/webhook/agent-client.ts";
import { openAgentSets } from "../../server/webhook/agent-set.ts";
import { answerJson, missing } from "../doubles/agent.ts";
import { mirrorRole, primaryRole, startSet, told } from "../doubles/agent-set.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";
import { asked, held, pair, path, scene } from "./set-scene.ts";

const read = { path, fresh: false, requestId: "id-1" };
/** Below the time that a whole reading has. */
const SILENT_MS = 5000;

const within = async <T>(t: Test, ms: number, work: Promise<T>): Promise<T> => {
  const startedAt = performance.now();
  const result = await work;
  const took = performance.now() - startedAt;
  t.ok(took < ms, `took ${Math.round(took)} ms`);
  return result;
};

t.test("the primary is asked, and the reading says who it is and what was replaced", async (t) => {
  const { client, a, b } = await scene(t, [...pair].reverse());
  t.match(await client.read(read), {
    outcome: "found",
    device: "hsm",
    version: 4,
    epoch: 1,
    history: [[0, 2]],
    standing: { role: "primary", epoch: 1, member: "A" },
    mirror: undefined,
  });
  t.same([asked(a).length, asked(b).length], [0, 1], "whatever its address");
  t.match(await client.read({ ...read, device: "hsm" }), { outcome: "found" }, "by its name as well");
  t.match(await client.read({ ...read, path: "secrets/team-a/none" }), { outcome: "absent", standing: {} });
});

t.test("each agent is asked for its role once in two seconds, however many readings there are", async (t) => {
  const { client, a, b, clock } = await scene(t, pair);
  await Promise.all(Array.from({ length: 20 }, () => client.read(read)));
  clock.now += 1900;
  await client.read(read);
  t.same([a.roleRequests, b.roleRequests], [1, 1]);
  clock.now += 200;
  await Promise.all(Array.from({ length: 20 }, () => client.read(read)));
  t.same([a.roleRequests, b.roleRequests], [2, 2]);
});

t.test("the next reading after the primary's death comes from the mirror", async (t) => {
  for (const how of ["killed", "cut off"] as const) {
    for (const later of [0, 3000]) {
      t.test(`${how}, with roles of ${later} ms ago`, async (t) => {
        const { client, a, b, clock } = await scene(t, pair);
        await client.read(read);
        if (how === "killed") await a.agent.stop();
        else a.hangs = true;
        clock.now += later;
        const reading = await within(t, SILENT_MS, client.read(read));
        t.match(reading, {
          outcome: "found",
          mirror: true,
          standing: { role: "mirror", member: "B", isCopy: true },
        });
        const before = asked(a).length;
        t.match(await within(t, SILENT_MS / 2, client.read(read)), { outcome: "found", mirror: true });
        t.equal(asked(a).length, before, "and the one after it does not wait for the primary at all");
        t.equal(asked(b).length, 2);
      });
    }
  }
});

t.test("a primary that is back is asked again", async (t) => {
  const { client, a, clock } = await scene(t, pair);
  a.hangs = true;
  t.match(await client.read(read), { standing: { member: "B" } });
  a.hangs = false;
  clock.now += 2000;
  t.match(await client.read(read), { standing: { role: "primary", member: "A" } });
});

t.test("a primary that is slow is waited for as long as it says that it is alive", async (t) => {
  const { client, a } = await scene(t, pair);
  a.answer = (request, response) => setTimeout(() => held(request, response), 900);
  t.match(await client.read(read), { standing: { role: "primary" } });
});

t.test("a primary whose token is busy keeps its role until its lease ends", async (t) => {
  const { client, a, clock } = await scene(t, pair);
  await client.read(read);
  a.isBusy = true;
  clock.now += 20_000;
  t.match(await client.read(read), { standing: { role: "primary", member: "A" } });
  clock.now += 6000;
  t.match(await client.read(read), { mirror: true }, "which was 25 s");
});

t.test("absence counts of the primary alone", async (t) => {
  const { client, a, b, clock } = await scene(t, pair);
  b.answer = missing;
  await a.agent.stop();
  t.match(await client.read(read), {
    outcome: "unavailable",
    message: /hsm\/B does not hold it, which does not count where the primary of the set can't be asked/,
  });
  for (const role of [told("B"), primaryRole("B", 0)]) {
    b.role = role;
    clock.now += 2000;
    t.match(await client.read(read), { outcome: role.lease === null ? "unavailable" : "absent" });
  }
});

t.test("roles that do not fit together", async (t) => {
  const { client, a, b, clock, log } = await scene(t, pair);
  b.role = primaryRole("B", 2);
  t.match(
    await client.read(read),
    { standing: { role: "primary", epoch: 2, member: "B" } },
    "the later epoch",
  );
  b.role = mirrorRole("B", "C", { epoch: 3 });
  clock.now += 2000;
  const former = await client.read(read);
  t.match(former, { standing: { epoch: 3 }, mirror: true }, "one of a former epoch is none");
  b.role = primaryRole("B", 1);
  clock.now += 2000;
  t.match(await client.read(read), { standing: { role: "disputed" }, mirror: true });
  t.match(log.text(), /several agents claim to be the primary/);
  a.answer = missing;
  b.answer = missing;
  t.match(await client.read(read), { outcome: "unavailable" });
});

t.test("a lease ends by itself", async (t) => {
  const { client, a, b, clock } = await scene(t, pair);
  await client.read(read);
  a.role = b.role = undefined;
  a.hangs = b.hangs = true;
  clock.now += 1900;
  t.ok((a.roleRequests ?? 0) === 1);
  const short = { ...primaryRole("A") };
  if (short.lease !== null) short.lease.remainingMs = 1000;
  a.hangs = b.hangs = false;
  a.role = short;
  clock.now += 200;
  t.match(await client.read(read), { standing: { role: "primary" } });
  clock.now += 1500;
  t.match(await client.read(read), { standing: { role: "none" }, mirror: true });
});

t.test("a single agent that knows of no sets is asked for itself", async (t) => {
  const { client, a, writer } = await scene(t, [{ role: undefined, answer: missing }]);
  const reading = await client.read(read);
  t.same(reading, { outcome: "absent", device: "hsm" });
  a.answer = answerJson(404, { code: "SECRET_NOT_FOUND", message: "x" });
  t.same(await writer.remove({ path }, { requestId: "id", timeoutMs: 2000 }), { outcome: "removed" });
});

t.test("the addresses of the name are followed, and kept while it can't be resolved", async (t) => {
  const { client, addresses, clock, b } = await scene(t, pair);
  addresses.delete(b.address);
  await client.read(read);
  t.equal(b.roleRequests, 0);
  addresses.add(b.address);
  clock.now += 2000;
  await client.read(read);
  t.equal(b.roleRequests, 1);
  addresses.clear();
  addresses.add("10.0.0.1");
  clock.now += 2000;
  t.match(
    await client.read(read),
    { message: /no address/ },
    "nobody else than loopback is asked over http://",
  );
});

t.test("a name that can't be resolved for long has no addresses", async (t) => {
  const set = await startSet(t, pair);
  let now = 0;
  let fails = false;
  const agents = [{ name: "hsm", origin: set.origin, isSet: true as const }];
  const logger = recordedLog().logger;
  const resolve = async () => (fails ? Promise.reject(new Error("SERVFAIL")) : set.resolve());
  const sets = openAgentSets(agents, { logger, resolve, now: () => now });
  const client = createAgentClient({ agents, sets, logger });
  t.teardown(() => client.close());
  await client.read(read);
  fails = true;
  now += 30_000;
  t.match(await client.read(read), { outcome: "found" });
  now += 31_000;
  t.match(await client.read(read), { outcome: "unavailable", code: "AGENT_UNREACHABLE" });
});

t.test("an agent with an address of its own is not asked for a role", async (t) => {
  const { origin, members } = await startSet(t, pair.slice(0, 1));
  const agents = [{ name: "hsm", origin: origin.replace("localhost", "127.0.0.2") }];
  const logger = recordedLog().logger;
  const client = createAgentClient({ agents, sets: openAgentSets(agents, { logger }), logger });
  t.teardown(() => client.close());
  t.equal("standing" in (await client.read(read)), false);
  t.same(
    members[0]?.agent.requests.map(({ url }) => url),
    [`/v1/secrets/${path}`],
  );
});

t.test("real names resolve", async (t) => {
  const agent = await startSet(t, pair.slice(0, 1));
  const origin = agent.origin.replace("localhost", "127.0.0.2");
  const agents = [{ name: "hsm", origin, isSet: true as const }];
  const logger = recordedLog().logger;
  const client = createAgentClient({ agents, sets: openAgentSets(agents, { logger }), logger });
  t.teardown(() => client.close());
  t.match(await client.read(read), { standing: { role: "primary" } });
});

t.test("TLS: the address is asked, the certificate is that of the name", async (t) => {
  const directory = t.testdir({});
  const authority = createAuthority(directory, "ours");
  const { cert, key } = authority.issue("agent");
  const tls = { directory, caFile: authority.caFile, cert, key };
  const { client } = await scene(t, pair, tls);
  t.match(await client.read(read), { outcome: "found", standing: { role: "primary" } });
  const { client: mistrusting, a } = await scene(t, pair, { ...tls, host: "set.example" });
  t.match(await mistrusting.read(read), { outcome: "unavailable", message: /certificate/ });
  t.equal(a.agent.requests.length, 0, "nothing was sent");
});
