// SPDX-License-Identifier: Apache-2.0
// Tests write-back and removal over HTTP with recorded requests: requests to the agent, responses to Metacontroller, log lines,
// metrics and events, and that no value is among them.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import {
  type Answer,
  answerJson,
  hanging,
  holding,
  missing,
  readAndWrite,
  startAgent,
} from "../doubles/agent.ts";
import { editedBody } from "./edited-body.ts";
import { recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const before = randomBytes(12).toString("hex");
const after = randomBytes(12).toString("hex");
const encoded = (value: string) => Buffer.from(value).toString("base64");
const recorded = recordedBody("hsmsecret-sync-no-child");
const { namespace, name, uid } = recorded.parent.metadata;
const path = recorded.parent.spec.hsmPath ?? `secrets/${namespace}/${name}`;
const quota = { objects: 3 };
const policy = {
  get: () => [
    { namespace, prefix: path, write: true },
    { namespace, quota },
  ],
  fault: () => undefined,
};
const held = holding(path, { password: before });
const checksum = checksumOfBase64({ password: encoded(after) });
const written = answerJson(200, {
  path,
  outcome: "changed",
  checksum,
  keys: ["password"],
  version: 4,
  device: "a",
});

/** A webhook in front of an agent, with a token to write with unless `writable` is false. */
const scene = async (t: Test, answer: Answer, writable = true) => {
  const agent = await startAgent(t, answer);
  const writeTokenFile = join(t.testdir({ token: randomBytes(16).toString("hex") }), "token");
  const webhook = startWebhook(t, [agent], { policy, ...(writable && { writeTokenFile }) });
  return { agent, ...webhook };
};

t.test("an edited Secret is written, and Metacontroller is asked to call again", async (t) => {
  const { agent, app, post, events, log } = await scene(t, readAndWrite(held, written));
  const body = await editedBody(recorded, post, { password: encoded(after) });
  events.length = 0;
  const answer = await post("sync", body, { "x-request-id": "shared-id" });
  t.equal(answer.statusCode, 429, "which leaves the Secret and the status alone");
  t.equal(answer.headers["retry-after"], "1");
  t.equal(answer.json().code, "SYNC_AGAIN");
  const put = agent.requests.at(-1);
  t.match(put, { method: "PUT", headers: { "x-request-id": "shared-id" } });
  const sent = JSON.parse(put?.body ?? "");
  t.same(sent.data, { password: encoded(after) });
  t.same(sent.quota, { prefix: `secrets/${namespace}/`, ...quota }, "what the policy gives the namespace");
  t.match(events, [{ uid, type: "Normal", reason: "WrittenBack", message: /1 key\)/ }]);
  t.match(
    log.lines.find(({ msg }) => msg === "token change"),
    {
      level: "info",
      operation: "write",
      path,
      agent: "a",
      keys: 1,
      outcome: "written",
      requestId: "shared-id",
    },
  );
  const metrics = (await app.inject("/metrics")).body;
  t.match(metrics, 'keyswitch_token_changes_total{operation="write",outcome="written"} 1');
  t.match(metrics, 'keyswitch_hook_requests_total{hook="hsmsecret/sync",outcome="WrittenBack"} 1');
});

t.test("a write that does not get there is told in the status, and keeps the edit", async (t) => {
  const failing = (status: number, code: string): Answer => answerJson(status, { code, message: "canary" });
  const rows: [string, Answer, RegExp, boolean?][] = [
    ["without a token to write with", written, /^FORBIDDEN: .*AGENT_WRITE_TOKEN_FILE/, false],
    ["the token refused", failing(403, "FORBIDDEN"), /^FORBIDDEN: .*WRITE_TOKEN_FILE/],
    ["the device is full", failing(507, "TOKEN_FULL"), /^TOKEN_FULL: /],
    ["the namespace has too much", failing(507, "QUOTA_EXCEEDED"), /^QUOTA_EXCEEDED: .* ask whoever runs/],
    ["it changed in between", failing(412, "PRECONDITION_FAILED"), /^PRECONDITION_FAILED: /],
    ["it was cut off", failing(503, "WRITE_UNCERTAIN"), /^WRITE_UNCERTAIN: /],
    ["the connection broke", (request) => request.socket.destroy(), /^AGENT_UNREACHABLE: /],
  ];
  for (const [sentence, writing, error, writable] of rows) {
    t.test(sentence, async (t) => {
      const { post, events, log } = await scene(t, readAndWrite(held, writing), writable);
      const answer = (
        await post("sync", await editedBody(recorded, post, { password: encoded(after) }))
      ).json();
      t.match(answer.status, { syncStatus: "OutOfSync", conditions: [{ reason: "WriteBackFailed" }] });
      t.match(answer.status.lastError, error);
      t.notMatch(answer.status.lastError, /canary/);
      t.equal(answer.children[0].data.password, encoded(after));
      t.match(events.at(-1), { type: "Warning", reason: "WriteBackFailed" });
      t.match(
        log.lines.find(({ msg }) => msg === "token change"),
        { level: "warn", operation: "write" },
      );
    });
  }
});

t.test("a reading that took most of the time leaves none for a write", async (t) => {
  let now = 0;
  const slow: Answer = (request, response) => {
    now += 5500;
    held(request, response);
  };
  const agent = await startAgent(t, readAndWrite(held, written));
  const writeTokenFile = join(t.testdir({ token: randomBytes(16).toString("hex") }), "token");
  const { post } = startWebhook(t, [agent], { policy, writeTokenFile, now: () => now });
  const body = await editedBody(recorded, post, { password: encoded(after) });
  agent.answer = readAndWrite(slow, written);
  t.match((await post("sync", body)).json().status.lastError, /^TIMEOUT: .*not begun/);
  t.ok(agent.requests.every(({ method }) => method === "GET"));
});

t.test("both changed: a Conflict, and nothing is sent but the reading", async (t) => {
  const { agent, post } = await scene(t, readAndWrite(held, written));
  const body = await editedBody(recorded, post, { password: encoded(after) });
  agent.answer = readAndWrite(holding(path, { password: "meanwhile" }), written);
  const answer = (await post("sync", body)).json();
  t.match(answer.status, { conditions: [{ reason: "Conflict" }] });
  t.ok(agent.requests.every(({ method }) => method === "GET"));
});

t.test("no value of a write reaches the log, the metrics, an event or a status", async (t) => {
  const { agent, app, post, events, log } = await scene(t, readAndWrite(held, written));
  const body = await editedBody(recorded, post, { password: encoded(after) });
  const said: string[] = [];
  for (const writing of [written, missing, answerJson(500, { code: after, message: after }), written]) {
    agent.answer = readAndWrite(held, writing);
    const answer = (await post("sync", body)).json();
    said.push(JSON.stringify([answer.status ?? {}, answer.message ?? ""]));
  }
  const places = [log.text(), (await app.inject("/metrics")).body, JSON.stringify(events), ...said];
  for (const place of places) {
    for (const value of [before, after]) t.notOk(place.includes(value) || place.includes(encoded(value)));
  }
});

t.test("deletionPolicy Delete removes the data, and the HSMSecret goes when they are gone", async (t) => {
  const deleted = answerJson(200, { path, outcome: "deleted", checksum, device: "a" });
  const body = structuredClone(recordedBody("hsmsecret-finalize-owned-child"));
  body.parent.spec = { ...body.parent.spec, hsmPath: path, deletionPolicy: "Delete" };
  const { agent, app, post, log } = await scene(t, deleted);
  t.same((await post("finalize", body)).json(), { finalized: true, children: [] });
  t.match(agent.requests, [{ method: "DELETE", url: `/v1/secrets/${path}` }]);
  t.match(
    log.lines.find(({ msg }) => msg === "token change"),
    { level: "info", operation: "remove", path, outcome: "removed" },
  );
  agent.answer = missing;
  t.match(
    (await post("finalize", body)).json(),
    { finalized: true },
    "nor is there anything to remove twice",
  );
  agent.answer = answerJson(503, { code: "TOKEN_UNAVAILABLE", message: "x" });
  const kept = (await post("finalize", body)).json();
  t.match(kept, { finalized: false, status: { conditions: [{ reason: "HSMUnavailable" }] } });
  t.equal(kept.children.length, 1, "an unreachable token keeps the Secret too");
  t.match(kept.status.lastError, /^TOKEN_UNAVAILABLE: .*deletionPolicy to Retain/);
  body.parent.spec.deletionPolicy = "Retain";
  agent.answer = hanging;
  const asked = agent.requests.length;
  t.match((await post("finalize", body)).json(), { finalized: true });
  t.equal(agent.requests.length, asked, "Retain asks nobody");
  const metrics = (await app.inject("/metrics")).body;
  t.match(metrics, 'keyswitch_token_changes_total{operation="remove",outcome="removed"} 2');
  t.match(metrics, 'keyswitch_token_changes_total{operation="remove",outcome="TOKEN_UNAVAILABLE"} 1');
});
