// SPDX-License-Identifier: Apache-2.0
// Tests a real agent process whose module crashes or whose token is unplugged: what callers get, and that it recovers.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { read, watchHealth } from "../../agent-api/agent-over-http.ts";
import { startAgent, tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
const TIMEOUT_MS = 20_000;
const PATH = "secrets/a/db";

const start = async (t: Test) => {
  const fixture = await tokenFixture(t);
  await fixture.token.putPerKey(PATH, { user: randomBytes(8).toString("hex") });
  const agent = await startAgent(t, fixture, { OPERATION_TIMEOUT_MS: String(TIMEOUT_MS) });
  t.equal((await read(agent, PATH)).said, "200", "the token is read at first");
  return { ...fixture, agent };
};

for (const how of ["segv", "abort"]) {
  t.test(`the module crashes (${how})`, async (t) => {
    const { agent, module } = await start(t);
    module.control(`crash C_GetAttributeValue ${how}`);
    const stopWatch = watchHealth(agent);
    t.equal((await read(agent, PATH)).said, "503 TOKEN_UNAVAILABLE", "the caller is told");
    t.equal((await read(agent, PATH)).said, "503 TOKEN_UNAVAILABLE", "as long as it crashes");
    const health = await stopWatch();
    t.ok(health.count > 0 && health.longestMs < TIMEOUT_MS / 2, "healthz went on answering");
    t.comment(`healthz: ${health.count} answers, the longest took ${health.longestMs.toFixed(1)} ms`);
    module.control();
    t.equal((await read(agent, PATH)).said, "200", "the next call after the recovery succeeds");
    t.equal(agent.process.exitCode, null, "in the same agent");
  });
}

t.test("the token is pulled out and put back", async (t) => {
  const { agent, module } = await start(t);
  module.control("absent");
  t.equal((await read(agent, PATH)).said, "503 TOKEN_UNAVAILABLE", "not absent");
  t.equal((await read(agent, "secrets/a/never")).said, "503 TOKEN_UNAVAILABLE", "even what was never there");
  const ready = await fetch(`${agent.url}/readyz`);
  t.equal(ready.status, 503, "not ready");
  t.match(await ready.text(), /no token with label/, "with the reason");
  module.control();
  t.equal((await read(agent, PATH)).said, "200", "back");
  t.equal((await read(agent, "secrets/a/never")).said, "404 SECRET_NOT_FOUND", "and absent is absent again");
  t.equal((await fetch(`${agent.url}/readyz`)).status, 200, "ready");
});

t.test("calls that wait survive a crash of the call before them", async (t) => {
  const { token, module, openStore } = await tokenFixture(t);
  const paths = ["secrets/a/one", "secrets/a/two", "secrets/a/three"];
  for (const path of paths) await token.putPerKey(path, { user: "1" });
  const store = openStore();
  await store.read(paths[0] ?? "");
  module.control("crash C_GetAttributeValue segv 1");
  const results = await Promise.all(paths.map((path) => store.read(path)));
  t.same(
    results.map((result) => (result.kind === "unavailable" ? result.code : result.kind)),
    ["TOKEN_UNAVAILABLE", "found", "found"],
  );
});
