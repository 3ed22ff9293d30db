// SPDX-License-Identifier: Apache-2.0
// Tests the agent as a process: no secret in its output, and no process left behind.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import t from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { read } from "../agent-api/agent-over-http.ts";
import { startAgent, tokenFixture } from "./pkcs11/token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";

t.test("values and PINs are in no log line, error or metric", async (t) => {
  const fixture = await tokenFixture(t);
  const { token, module } = fixture;
  const value = randomBytes(12).toString("hex");
  const wrongPin = `x${randomBytes(6).toString("hex")}`;
  await token.putPerKey(PATH, { user: value });
  await token.putPacked("secrets/a/packed", { user: value });
  await token.putObjects([
    { label: "secrets/a/twice/user", value: Buffer.from(value) },
    { label: "secrets/a/twice/user", value: Buffer.from(`${value}2`) },
    { label: "secrets/a/broken/_metadata", value: Buffer.from(`{"x": ${value}`) },
  ]);
  const agent = await startAgent(t, fixture, { LOG_LEVEL: "trace", OPERATION_TIMEOUT_MS: "5000" });
  const bodies: string[] = [];
  const ask = async (url: string): Promise<number> => {
    const response = await fetch(agent.url + url);
    const body = await response.text();
    if (response.status !== 200 || !url.startsWith("/v1/secrets/")) bodies.push(body);
    return response.status;
  };
  t.equal(await ask(`/v1/secrets/${PATH}`), 200);
  t.equal(await ask("/v1/secrets/secrets/a/packed"), 200);
  t.equal(await ask("/v1/secrets/secrets/a/twice"), 503);
  t.equal(await ask("/v1/secrets/secrets/a/broken"), 503);
  t.equal(await ask("/v1/secrets"), 200);
  t.equal(await ask("/v1/info"), 200);
  writeFileSync(token.pinFile, wrongPin);
  module.control("crash C_GetAttributeValue segv 1");
  t.equal(await ask(`/v1/secrets/${PATH}`), 503, "a crash");
  t.equal(await ask(`/v1/secrets/${PATH}`), 503, "a wrong PIN");
  t.equal(await ask("/readyz"), 503);
  t.equal(await ask("/metrics"), 200);
  t.equal(await agent.stop(), 0);
  const said = [...bodies, ...agent.log].join("\n");
  t.match(said, "PIN_INCORRECT", "the wrong PIN is spoken of");
  for (const secret of [value, wrongPin, token.pin]) {
    for (const form of ["utf8", "base64", "hex"] as const) {
      t.notMatch(said, Buffer.from(secret).toString(form), `not as ${form}`);
    }
  }
});

t.test("the child ends with the agent", async (t) => {
  const fixture = await tokenFixture(t);
  await fixture.token.putPerKey(PATH, { user: "1" });
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const agent = await startAgent(t, fixture);
    t.equal((await read(agent, PATH)).said, "200");
    const { pid } = agent.process;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    t.equal(children.length, 1, "there is one");
    agent.process.kill(signal);
    const hasGone = async () => !existsSync(`/proc/${children[0]}`);
    t.ok(
      await eventually(`the end of the child after ${signal}`, hasGone, { paceMs: 10 }),
      `after ${signal}`,
    );
  }
});
