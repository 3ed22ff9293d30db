// SPDX-License-Identifier: Apache-2.0
// Tests reads over real connections: order, the rule about absence, deadlines, rotation of bearer tokens and CAs, and every
// failure.
import { randomBytes } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type AgentClientOptions, createAgentClient } from "../../server/webhook/agent-client.ts";
import {
  type AgentDouble,
  type Answer,
  answerJson,
  hanging,
  holding,
  missing,
  secretBody,
  startAgent,
} from "../doubles/agent.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

const path = "secrets/team-a/db";
const value = randomBytes(12).toString("hex");
const held = holding(path, { password: value });
const read = { path, fresh: false, requestId: "id-1" };
const down = answerJson(503, { code: "TOKEN_UNAVAILABLE", message: "x" }, { "retry-after": "5" });

/** A client of agents a, b, … in this order. */
const clientOf = (
  t: Test,
  doubles: readonly { origin: string }[],
  options: Partial<AgentClientOptions> = {},
) => {
  const agents = doubles.map(({ origin }, i) => ({ name: String.fromCharCode(97 + i), origin }));
  const client = createAgentClient({ agents, logger: recordedLog().logger, ...options });
  t.teardown(() => client.close());
  return client;
};
const start = (t: Test, answers: readonly Answer[]): Promise<AgentDouble[]> =>
  Promise.all(answers.map((answer) => startAgent(t, answer)));

t.test("one agent's answer, and what it was asked", async (t) => {
  const [a] = (await start(t, [held])) as [AgentDouble];
  const exchanges: unknown[] = [];
  const client = clientOf(t, [a], { onExchange: (agent, outcome) => exchanges.push([agent, outcome]) });
  t.same(client.states(), [{ name: "a", ok: true, message: "not asked yet" }]);
  const found = await client.read(read);
  const body = secretBody(path, { password: value });
  t.same(found, { outcome: "found", data: body.data, checksum: body.checksum, version: 3, device: "a" });
  const unchanged = await client.read({ ...read, ifNoneMatch: body.checksum, fresh: true });
  t.same(unchanged, { outcome: "unchanged", device: "a" });
  t.same(await client.read({ ...read, path: "secrets/team-a/none" }), { outcome: "absent", device: "a" });
  t.match(a.requests, [
    { url: `/v1/secrets/${path}`, headers: { "x-request-id": "id-1" } },
    { headers: { "if-none-match": `"${body.checksum}"`, "cache-control": "no-cache" } },
    { url: "/v1/secrets/secrets/team-a/none" },
  ]);
  t.notOk(
    ["if-none-match", "cache-control", "authorization"].some(
      (name) => name in (a.requests[0]?.headers ?? {}),
    ),
  );
  t.same(exchanges, [
    ["a", "found"],
    ["a", "unchanged"],
    ["a", "absent"],
  ]);
  t.same(client.states(), [{ name: "a", ok: true, message: "answered" }]);
});

t.test("connections are kept", async (t) => {
  const [a] = (await start(t, [held])) as [AgentDouble];
  const client = clientOf(t, [a]);
  for (let i = 0; i < 20; i += 1) await client.read(read);
  t.ok(a.connections <= 2, `20 readings took ${a.connections} connections`);
});

t.test("two agents", async (t) => {
  const stale = answerJson(200, { ...secretBody(path, { a: "b" }), checksum: secretBody(path, {}).checksum });
  const rows: [sentence: string, a: Answer, b: Answer, expected: object, askedB: number][] = [
    ["the first that holds it wins", held, missing, { outcome: "found", device: "a" }, 0],
    ["the first's absence is absence", missing, held, { outcome: "absent", device: "a" }, 0],
    ["the second answers for one that is down", down, held, { outcome: "found", device: "b" }, 1],
    ["the second answers for one that glitches", stale, held, { outcome: "found", device: "b" }, 1],
    [
      "the second's absence does not count where the first failed",
      down,
      missing,
      {
        outcome: "unavailable",
        code: "TOKEN_UNAVAILABLE",
        retryAfterSeconds: 5,
        message: /^agent a: .* agent b does not hold it/,
      },
      1,
    ],
    [
      "both down gives the first's code and both messages",
      down,
      answerJson(500, {}),
      {
        outcome: "unavailable",
        code: "TOKEN_UNAVAILABLE",
        message: /^agent a: .*\. agent b answered HTTP 500\.$/,
      },
      1,
    ],
  ];
  for (const [sentence, answerA, answerB, expected, askedB] of rows) {
    t.test(sentence, async (t) => {
      const [a, b] = (await start(t, [answerA, answerB])) as [AgentDouble, AgentDouble];
      t.match(await clientOf(t, [a, b]).read(read), expected);
      t.equal(b.requests.length, askedB);
    });
  }
});

t.test("three agents: absence after a failure goes on to one that holds it", async (t) => {
  const agents = await start(t, [down, missing, held]);
  t.match(await clientOf(t, agents).read(read), { outcome: "found", device: "c" });
});

t.test("a device is asked alone", async (t) => {
  const [a, b] = (await start(t, [held, missing])) as [AgentDouble, AgentDouble];
  const client = clientOf(t, [a, b]);
  t.match(await client.read({ ...read, device: "b" }), { outcome: "absent", device: "b" });
  t.equal(a.requests.length, 0);
  t.same(await client.read({ ...read, device: "z" }), {
    outcome: "unavailable",
    code: "AGENT_UNKNOWN",
    message: "no agent is named z; configured are a, b.",
  });
});

t.test("an agent that hangs leaves time for the next, and all end within the budget", async (t) => {
  const slowBody: Answer = (_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"path":');
  };
  const agents = await start(t, [hanging, slowBody, held]);
  const client = clientOf(t, agents, { budgetMs: 4500 });
  t.match(await client.read(read), { outcome: "found", device: "c" });
  t.match(client.states(), [
    { ok: false, message: "agent a did not answer in time." },
    { ok: false },
    { ok: true },
  ]);
  t.match(await client.read({ ...read, device: "a" }), { code: "AGENT_UNREACHABLE" });
});

t.test("ways to fail, each by its cause", async (t) => {
  const oversized: Answer = (_request, response) => response.end("x".repeat(5000));
  const cut: Answer = (_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.socket?.destroy());
  };
  const garbage: Answer = (_request, response) => response.socket?.end("canary not http\r\n\r\n");
  const redirect: Answer = (_request, response) =>
    response.writeHead(307, { location: "/v1/secrets/x" }).end();
  const rows: [sentence: string, answer: Answer, code: string, message: RegExp][] = [
    ["too large an answer", oversized, "AGENT_REFUSED", /answered more than is taken/],
    ["an answer that is cut", cut, "AGENT_UNREACHABLE", /closed the connection/],
    ["an answer that is not HTTP", garbage, "AGENT_REFUSED", /not HTTP/],
    ["a redirect", redirect, "AGENT_REFUSED", /answered HTTP 307/],
  ];
  for (const [sentence, answer, code, message] of rows) {
    t.test(sentence, async (t) => {
      const agents = await start(t, [answer]);
      const reading = await clientOf(t, agents, { maxResponseBytes: 4000 }).read(read);
      t.match(reading, { outcome: "unavailable", code, message });
      t.notMatch(JSON.stringify(reading), /canary/);
    });
  }
  t.test("a refused connection", async (t) => {
    const [a] = (await start(t, [held])) as [AgentDouble];
    await a.stop();
    const reading = await clientOf(t, [a]).read(read);
    t.match(reading, { code: "AGENT_UNREACHABLE", message: "agent a refused the connection." });
  });
  t.test("a handshake that never ends", async (t) => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const sockets = new Set<import("node:net").Socket>();
    silent.on("connection", (socket) => sockets.add(socket));
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const client = clientOf(t, [{ origin: `https://127.0.0.1:${port}` }], { connectTimeoutMs: 50 });
    t.match(await client.read(read), { code: "AGENT_UNREACHABLE", message: /connecting took too long/ });
  });
});

t.test("an agent that was restarted is reached at once, although kept connections are dead", async (t) => {
  const [a] = (await start(t, [held])) as [AgentDouble];
  const client = clientOf(t, [a]);
  await client.read(read);
  let closed = false;
  a.answer = (request, response) => {
    if (closed) return held(request, response);
    closed = true;
    request.socket.destroy();
  };
  t.match(await client.read(read), { outcome: "found" });
});

t.test("the token is sent, and its successor once the file changes", async (t) => {
  const file = join(t.testdir({ token: "# agents\nfirst-token\nolder-token\n" }), "token");
  const [a] = (await start(t, [held])) as [AgentDouble];
  let now = 0;
  const client = clientOf(t, [a], { tokenFile: file, now: () => now });
  await client.read(read);
  writeFileSync(file, "second-token\nfirst-token\n");
  now += 1000;
  await client.read(read);
  writeFileSync(file, "");
  now += 1000;
  await client.read(read);
  t.same(
    a.requests.map(({ headers }) => headers.authorization),
    ["Bearer first-token", "Bearer second-token", "Bearer second-token"],
  );
});

t.test("TLS: only the configured CA is trusted, and its successor once the file changes", async (t) => {
  const directory = t.testdir({});
  const [ours, theirs] = [createAuthority(directory, "ours"), createAuthority(directory, "theirs")];
  const { cert, key } = ours.issue("agent");
  const a = await startAgent(t, held, { cert, key });
  const caFile = join(directory, "trusted.pem");
  copyFileSync(theirs.caFile, caFile);
  let now = 0;
  const client = clientOf(t, [a], { caFile, now: () => now });
  t.match(await client.read(read), { code: "AGENT_UNREACHABLE", message: /certificate that is not trusted/ });
  copyFileSync(ours.caFile, caFile);
  now += 1000;
  t.match(await client.read(read), { outcome: "found" });
  t.match(await clientOf(t, [a]).read(read), { code: "AGENT_UNREACHABLE" }, "nor by the system's CAs");
  const named = { origin: a.origin.replace("127.0.0.1", "127.0.0.2") };
  t.equal(a.requests.length, 1, "nothing was sent to an agent that was not trusted");
  t.match(
    await clientOf(t, [named], { caFile }).read(read),
    { outcome: "unavailable" },
    "nor under another name",
  );
});
