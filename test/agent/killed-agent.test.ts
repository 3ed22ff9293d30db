// SPDX-License-Identifier: Apache-2.0
// Tests a power loss: kills the agent and its child at random times of a write or a delete. The next start shows a whole
// secret, and no leftovers.
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { checksum } from "../../hooks/checksum.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { type Keys, someKeys } from "./pkcs11/kill-points.ts";
import { type AgentProcess, type Fixture, startAgent, tokenFixture } from "./pkcs11/token-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/power/loss";
/** Of the time that the whole operation takes, in which the kill may fall: a little later than its end as well. */
const SPAN = 1.1;
/** What a call that changes the token takes, so that a random time falls between calls as well as into them. */
const CALL_MS = 15;

type Layout = { name: "packed" | "per-key"; objects: number };

const startWith = (t: Test, fixture: Fixture, layout: string, tokenFile: string): Promise<AgentProcess> =>
  startAgent(t, fixture, { WRITE_TOKEN_FILE: tokenFile, STORAGE_LAYOUT: layout });

/** Resolves at the moment of the kill: of the first round in the middle of the write, so that one is cut, and then at any time. */
const momentOf = async (round: number, { module }: Fixture, wholeMs: number): Promise<void> => {
  if (round > 0) return sleep(randomInt(Math.ceil(wholeMs * SPAN)));
  await eventually("the write begins", async () => module.calls("C_CreateObject") > 0, { paceMs: 5 });
};

const killAll = async ({ process: agent }: AgentProcess): Promise<void> => {
  const children = readFileSync(`/proc/${agent.pid}/task/${agent.pid}/children`, "utf8").trim().split(" ");
  const exited = once(agent, "exit");
  agent.kill("SIGKILL");
  for (const child of children.filter((pid) => pid !== "")) process.kill(Number(child), "SIGKILL");
  await exited;
};

/** A write to the agent, which knows its writer's token. */
type Ask = (agent: AgentProcess, method: string, keys?: Keys) => Promise<Response>;

const asking =
  (authorization: string): Ask =>
  (agent, method, keys) => {
    const url = `${agent.url}/v1/secrets/${PATH}`;
    if (keys === undefined) return fetch(url, { method, headers: { authorization } });
    const data = Object.fromEntries(
      [...keys].map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
    );
    const headers = { authorization, "content-type": "application/json" };
    return fetch(url, { method, headers, body: JSON.stringify({ data }) });
  };

/** What the next start shows: the tag of the secret, and how many objects there are. */
const shownBy = async (agent: AgentProcess, ask: Ask, authorization: string) => {
  const refreshed = await fetch(`${agent.url}/v1/refresh`, { method: "POST", headers: { authorization } });
  const info: unknown = await refreshed.json();
  const held = typeof info === "object" && info !== null && "objects" in info ? info.objects : undefined;
  const read = await ask(agent, "GET");
  const sum = read.status === 404 ? "absent" : (read.headers.get("etag") ?? `HTTP ${read.status}`);
  return { held, sum };
};

type Round = { before: Keys; after: Keys | undefined; status: number | undefined; objects: number };

/** What is wrong with what is shown after a round, and whether it is the old secret. */
const judged = (
  { before, after, status, objects }: Round,
  { held, sum }: { held: unknown; sum: string },
): { isOld: boolean; faults: string[] } => {
  const wanted = after === undefined ? "absent" : `"${checksum(after)}"`;
  const isOld = sum === `"${checksum(before)}"`;
  const checks: [fault: string, isFault: boolean][] = [
    [`torn, ${sum}`, !isOld && sum !== wanted],
    [`${held} objects with ${sum}`, held !== (sum === "absent" ? 0 : objects)],
    [`answered ${status} and the old one is there`, status !== undefined && isOld],
  ];
  return { isOld, faults: checks.filter(([, isFault]) => isFault).map(([fault]) => fault) };
};

const ROUNDS = 8;

for (const { name, objects } of [
  { name: "packed", objects: 1 },
  { name: "per-key", objects: 3 },
] satisfies Layout[]) {
  t.test(`in the ${name} layout`, async (t) => {
    const fixture = await tokenFixture(t);
    const bearerToken = randomBytes(24).toString("base64url");
    const tokenFile = join(dirname(fixture.token.pinFile), "write-token");
    writeFileSync(tokenFile, `${bearerToken}\n`, { mode: 0o600 });
    const authorization = `Bearer ${bearerToken}`;
    const ask = asking(authorization);
    const faults: string[] = [];
    let old = 0;
    let cut = 0;
    let agent = await startWith(t, fixture, name, tokenFile);
    const delays = [`delay C_CreateObject ${CALL_MS}`, `delay C_DestroyObject ${CALL_MS}`];
    await ask(agent, "PUT", someKeys(["a", "b"]));
    fixture.module.control(...delays);
    const begin = performance.now();
    await ask(agent, "PUT", someKeys(["a", "b"]));
    const wholeMs = performance.now() - begin;
    fixture.module.control();
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = someKeys(["a", "b"]);
      const made = await ask(agent, "PUT", before);
      if (!made.ok) faults.push(`round ${round}: ${made.status} before the kill`);
      const after = round % 3 === 2 ? undefined : someKeys(["a", "b"]);
      fixture.module.forgetCalls();
      fixture.module.control(...(round === 0 ? ["hold C_CreateObject 1"] : delays));
      const answered = ask(agent, after === undefined ? "DELETE" : "PUT", after).then(
        ({ status }) => status,
        () => undefined,
      );
      await momentOf(round, fixture, wholeMs);
      await killAll(agent);
      const status = await answered;
      if (status === undefined) cut += 1;
      fixture.module.control();
      agent = await startWith(t, fixture, name, tokenFile);
      const shown = await shownBy(agent, ask, authorization);
      const { isOld, faults: found } = judged({ before, after, status, objects }, shown);
      if (isOld) old += 1;
      faults.push(...found.map((fault) => `round ${round}: ${fault}`));
    }
    t.same(faults, []);
    t.comment(
      `${ROUNDS} kills, ${cut} before the answer: ${old} times the old secret, ${ROUNDS - old} times the new state`,
    );
    t.ok(cut > 0, "a write was cut");
  });
}
