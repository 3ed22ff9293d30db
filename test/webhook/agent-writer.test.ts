// SPDX-License-Identifier: Apache-2.0
// Tests writes and removals over real connections: what is sent, to whom, with which bearer token, and broken connections.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import type { Write } from "../../hooks/hsmsecret/index.ts";
import { createAgentWriter } from "../../server/webhook/agent-writer.ts";
import { type Answer, answerJson, hanging, startAgent } from "../doubles/agent.ts";
import { recordedLog } from "../http/recorded-log.ts";

const path = "secrets/team-a/db";
const data = { password: randomBytes(9).toString("base64") };
const checksum = checksumOfBase64(data);
const ifMatch = checksumOfBase64({ password: "b2xk" });
const quota = { prefix: "secrets/team-a/", objects: 3 };
const write: Write = {
  method: "put",
  path,
  device: "b",
  data,
  ifMatch,
  source: "keyswitch:x",
  checksum,
  quota,
};
const how = { requestId: "id-1", timeoutMs: 2000 };
const written = answerJson(200, {
  path,
  outcome: "changed",
  checksum,
  keys: ["password"],
  version: 2,
  device: "b",
});
const gone = answerJson(200, { path, outcome: "deleted", checksum, device: "b" });

const scene = async (t: Test, answers: readonly Answer[], bearerToken?: string) => {
  const agents = await Promise.all(answers.map((answer) => startAgent(t, answer)));
  const tokenFile = join(t.testdir({ token: bearerToken ?? "" }), "token");
  const log = recordedLog();
  const writer = createAgentWriter({
    agents: agents.map(({ origin }, i) => ({ name: String.fromCharCode(97 + i), origin })),
    logger: log.logger,
    ...(bearerToken !== undefined && { tokenFile }),
  });
  t.teardown(() => writer.close());
  return { agents, writer, log };
};

t.test("a write goes to the agent that gave the reading, with its condition, note and token", async (t) => {
  const { agents, writer } = await scene(t, [hanging, written], "bot:write-token\n");
  t.same(await writer.write(write, how), { outcome: "written" });
  t.equal(agents[0]?.requests.length, 0, "the other agent is not asked");
  t.match(agents[1]?.requests, [
    {
      method: "PUT",
      url: `/v1/secrets/${path}`,
      headers: {
        "if-match": `"${ifMatch}"`,
        authorization: "Bearer write-token",
        "content-type": "application/json",
        "x-request-id": "id-1",
      },
    },
  ]);
  t.same(JSON.parse(agents[1]?.requests[0]?.body ?? ""), {
    data,
    metadata: { source: "keyswitch:x" },
    quota,
  });
  const { ifMatch: _, ...created } = write;
  await writer.write(created, how);
  t.equal(agents[1]?.requests[1]?.headers["if-none-match"], "*", "where nothing was, nothing must be");
  await writer.write({ ...write, method: "patch" }, how);
  t.equal(agents[1]?.requests[2]?.method, "PATCH");
});

t.test("a removal goes to the named agent, or to the first, and has no condition", async (t) => {
  const { agents, writer } = await scene(t, [gone, gone], "write-token");
  t.same(await writer.remove({ path }, how), { outcome: "removed" });
  t.same(await writer.remove({ path, device: "b" }, how), { outcome: "removed" });
  t.match(agents[0]?.requests, [{ method: "DELETE", url: `/v1/secrets/${path}`, body: "" }]);
  t.equal(agents[1]?.requests.length, 1);
  t.notOk("if-match" in (agents[0]?.requests[0]?.headers ?? {}));
});

t.test("without a write token, and to an agent that is not configured, nothing is sent", async (t) => {
  const { agents, writer } = await scene(t, [written]);
  t.match(await writer.write(write, how), {
    outcome: "refused",
    code: "FORBIDDEN",
    message: /AGENT_WRITE_TOKEN_FILE/,
  });
  t.match(await writer.remove({ path }, how), { outcome: "refused", code: "FORBIDDEN" });
  t.equal(agents[0]?.requests.length, 0);
  const other = await scene(t, [written], "write-token");
  t.match(await other.writer.write({ ...write, device: "z" }, how), { code: "AGENT_UNKNOWN", message: /z/ });
});

t.test("an agent that does not answer in time leaves it uncertain", async (t) => {
  const { writer } = await scene(t, [hanging, hanging], "write-token");
  t.same(await writer.write(write, { ...how, timeoutMs: 50 }), { outcome: "pending" }, "a write goes on");
  t.match(await writer.remove({ path, device: "b" }, { ...how, timeoutMs: 50 }), {
    outcome: "unavailable",
    code: "AGENT_UNREACHABLE",
    message: "agent b did not answer in time.",
  });
});

t.test(
  "a kept connection that was closed meanwhile is tried once more, an agent that is down is not",
  async (t) => {
    const { agents, writer } = await scene(t, [hanging, written], "write-token");
    const [, b] = agents;
    if (b === undefined) throw new Error("no agent b");
    let closed = false;
    b.answer = (request, response) => {
      if (closed) return written(request, response);
      closed = true;
      request.socket.destroy();
    };
    t.same(await writer.write(write, how), { outcome: "written" });
    await b.stop();
    t.match(await writer.write(write, how), { outcome: "unavailable", code: "AGENT_UNREACHABLE" });
  },
);
