// SPDX-License-Identifier: Apache-2.0
// Tests a real agent process whose module hangs: callers are answered in time, and the agent recovers.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { read, watchHealth } from "../../agent-api/agent-over-http.ts";
import { startAgent, tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
/** Of a hung call, and of a child that starts on a busy machine. */
const TIMEOUT_MS = 8_000;
const PATH = "secrets/a/db";

const start = async (t: Test) => {
  const fixture = await tokenFixture(t);
  await fixture.token.putPerKey(PATH, { user: randomBytes(8).toString("hex") });
  const agent = await startAgent(t, fixture, { OPERATION_TIMEOUT_MS: String(TIMEOUT_MS) });
  t.equal((await read(agent, PATH)).said, "200", "the token is read at first");
  return { ...fixture, agent };
};

for (const call of ["C_GetAttributeValue", "C_FindObjectsInit"]) {
  const path = call === "C_GetAttributeValue" ? PATH : "secrets/a/absent";
  t.test(`${call} hangs for 30 s`, async (t) => {
    const { agent, module } = await start(t);
    const { pid } = agent.process;
    module.control(`delay ${call} 30000`);
    module.forgetCalls();
    const stopWatch = watchHealth(agent);
    const hung = await read(agent, path);
    const health = await stopWatch();
    t.equal(hung.said, "503 TIMEOUT", "the caller is told");
    t.ok(hung.ms < 25_000, "within its deadline and not after 30 s");
    t.ok(hung.retryAfter >= 1, "and told when to come back");
    t.ok(health.count > 0 && health.longestMs < TIMEOUT_MS / 2, "healthz went on answering");
    t.comment(`healthz: ${health.count} answers, the longest took ${health.longestMs.toFixed(1)} ms`);
    // The next child is stuck in the same call by now, when the token comes back.
    await eventually(`the next child is stuck in ${call}`, async () => module.calls(call) >= 2, {
      paceMs: 5,
    });
    t.match((await fetch(`${agent.url}/readyz`)).status, 503, "readyz says that the token can't be read");
    module.control();
    const after = await read(agent, PATH);
    t.equal(after.said, "200", "the next call after the recovery succeeds");
    t.comment(`the next call took ${after.ms.toFixed(0)} ms`);
    t.equal(agent.process.pid, pid);
    t.equal(agent.process.exitCode, null, "in the same agent");
    t.equal(await agent.stop(), 0, "which ends cleanly");
  });
}
