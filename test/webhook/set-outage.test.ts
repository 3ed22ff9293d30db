// SPDX-License-Identifier: Apache-2.0
// Tests the HSMSecret hooks over a set of HSMs through outages, failovers and what comes back: no Secret changes, none is removed.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import type { HSMSecretSpec } from "../../hooks/hsmsecret/schema.ts";
import type { StringMap } from "../../hooks/kubernetes.ts";
import { type Answer, answerJson, holding, missing, readAndWrite } from "../doubles/agent.ts";
import { type MemberDouble, mirrorRole, primaryRole, startSet, told } from "../doubles/agent-set.ts";
import { request, secret } from "../hooks/hsmsecret/request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const path = "secrets/demo/app";
const values = { password: randomBytes(12).toString("hex") };
const others = { password: randomBytes(12).toString("hex") };
const held = holding(path, values, { version: 5, epoch: 1 });

type Child = { data: StringMap; metadata: { annotations?: StringMap } };

/** A Secret, its HSMSecret, and the set of A, the primary, and B; `sync` applies what the hook answers. */
const scene = async (t: Test, spec: HSMSecretSpec) => {
  const set = await startSet(t, [
    { role: primaryRole("A"), answer: held },
    { role: mirrorRole("B", "A"), answer: held },
  ]);
  let now = 0;
  const writeTokenFile = join(t.testdir({ token: "write-token" }), "token");
  const webhook = startWebhook(t, [set], { setClock: () => now, writeTokenFile });
  let child: Child | undefined;
  let status: Record<string, unknown> | undefined;
  let revision = 1;
  const observed = () =>
    child === undefined
      ? []
      : [
          secret(
            {},
            { annotations: child.metadata.annotations ?? {}, resourceVersion: String(revision) },
            { data: child.data },
          ),
        ];
  const sync = async (annotations: StringMap = {}) => {
    const payload = request({
      spec,
      owned: observed(),
      metadata: { annotations },
      ...(status && { status }),
    });
    const answer = await webhook.post("sync", payload);
    if (answer.statusCode !== 200) return { code: answer.statusCode, reason: undefined };
    const body = answer.json();
    const [next] = body.children as [Child?];
    if (JSON.stringify(next) !== JSON.stringify(child)) revision += 1;
    child = next;
    status = body.status;
    const [ready] = body.status.conditions;
    return { code: 200, reason: ready.reason as string };
  };
  const settled = async () => {
    for (let round = 0; round < 4; round += 1) await sync();
  };
  const [a, b] = set.members as [MemberDouble, MemberDouble];
  await settled();
  return {
    ...{ a, b, sync, settled },
    secretText: () => JSON.stringify([child, revision]),
    data: () => child?.data,
    statusText: () => JSON.stringify(status),
    edit: (data: StringMap) => {
      if (child !== undefined) child = { ...child, data };
    },
    passes: (ms: number) => {
      now += ms;
    },
    metrics: async () => (await webhook.app.inject("/metrics")).body,
  };
};

const SPECS: Record<string, HSMSecretSpec> = {
  "writeBack Never": { onMissing: "Delete" },
  "writeBack OnChange": { onMissing: "Delete", writeBack: "OnChange" },
};

for (const [name, spec] of Object.entries(SPECS)) {
  t.test(`${name}: no Secret changes while the primary is out, nor when it is back`, async (t) => {
    const { a, b, sync, secretText, statusText, passes, metrics } = await scene(t, spec);
    const before = secretText();
    for (const how of ["hangs", "has no token", "has no lease"] as const) {
      a.hangs = how === "hangs";
      if (how === "has no token") a.answer = answerJson(503, { code: "TOKEN_UNAVAILABLE", message: "x" });
      if (how === "has no lease") a.role = told("A");
      passes(2000);
      t.match(await sync(), { reason: "SyncedFromMirror" }, how);
      const status = statusText();
      for (let round = 0; round < 3; round += 1) {
        await sync();
        passes(1000);
        t.equal(secretText(), before, "the Secret is the same");
        t.equal(statusText(), status, "and so is the status");
      }
      b.answer = missing;
      // Where the former primary only has no lease, it is asked after the mirror, and still holds it.
      const reason = how === "has no lease" ? "SyncedFromMirror" : "HSMUnavailable";
      t.match(await sync(), { reason }, "a mirror without it removes nothing");
      b.answer = holding(path, others, { version: 4, epoch: 1 });
      t.match(await sync(), { reason: "HSMUnavailable" }, "one that lags changes nothing");
      t.equal(secretText(), before);
      Object.assign(a, { hangs: false, role: primaryRole("A"), answer: held });
      b.answer = held;
      passes(2000);
      t.match(await sync(), { reason: "Synced" }, "it is back");
      t.equal(secretText(), before);
    }
    t.match(await metrics(), /keyswitch_set_degraded_readings_total\{set="a"\} \d/);
    t.match(await metrics(), /keyswitch_set_role_requests_total\{set="a",role="primary"\} \d/);
  });

  t.test(`${name}: a failover rolls nothing back, and removes nothing`, async (t) => {
    const { a, b, sync, secretText, data, passes } = await scene(t, spec);
    const before = secretText();
    await a.agent.stop();
    b.role = primaryRole("B", 2);
    const rows: [sentence: string, answer: Answer, reason: string][] = [
      ["it has what was applied", held, "Synced"],
      ["it has an older one", holding(path, others, { version: 4, epoch: 1 }), "Conflict"],
      [
        "it has an unknowing one",
        holding(path, others, { version: 9, epoch: 2, history: [[1, 4]] }),
        "Conflict",
      ],
      ["it is one of before", answerJson(503, { code: "TOKEN_UNAVAILABLE", message: "x" }), "HSMUnavailable"],
    ];
    for (const [sentence, answer, reason] of rows) {
      b.answer = answer;
      passes(2000);
      t.match(await sync(), { reason }, sentence);
      t.equal(secretText(), before, sentence);
    }
    b.answer = holding(path, others, { version: 3, epoch: 2, history: [[1, 5]] });
    await sync();
    t.match(await sync(), { reason: "Synced" }, "what knows of it is applied");
    t.same(data(), { password: Buffer.from(others.password).toString("base64") });
  });
}

t.test("a new primary that never had the secret removes nothing before somebody says so", async (t) => {
  const { a, b, sync, secretText, data, passes } = await scene(t, { onMissing: "Delete" });
  const before = secretText();
  await a.agent.stop();
  Object.assign(b, { role: primaryRole("B", 2), answer: missing });
  passes(2000);
  t.match(await sync(), { reason: "Conflict" });
  t.equal(secretText(), before);
  await sync({ "hsm.j5t.io/resolve": "hsm" });
  t.equal(data(), undefined);
});

t.test("an edit is written to the primary once there is one again", async (t) => {
  const { a, b, sync, data, edit, passes } = await scene(t, { writeBack: "OnChange" });
  const edited = { password: Buffer.from(others.password).toString("base64") };
  await a.agent.stop();
  edit(edited);
  t.match(await sync(), { reason: "WriteBackFailed" });
  const checksum = checksumOfBase64(edited);
  const body = { path, outcome: "changed", checksum, keys: ["password"], version: 6, device: "B" };
  b.role = primaryRole("B", 2);
  b.answer = readAndWrite(held, answerJson(200, body));
  passes(2000);
  t.match(await sync(), { code: 429 });
  t.match(b.agent.requests.at(-1), { method: "PUT", headers: { "if-match": /sha256/ } });
  b.answer = holding(path, others, { version: 6, epoch: 2, history: [[1, 5]] });
  t.match(await sync(), { reason: "Synced" });
  t.same(data(), edited);
});
