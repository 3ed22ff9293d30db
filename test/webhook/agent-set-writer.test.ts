// SPDX-License-Identifier: Apache-2.0
// Tests writes to a set of HSMs over real connections: they go to the primary alone, and what it refuses is told.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import type { Write } from "../../hooks/hsmsecret/index.ts";
import { answerJson, readAndWrite } from "../doubles/agent.ts";
import { mirrorRole, primaryRole } from "../doubles/agent-set.ts";
import { asked, held, pair, path, scene } from "./set-scene.ts";

const data = { password: randomBytes(9).toString("base64") };
const checksum = checksumOfBase64(data);
const write: Write = {
  ...{ method: "put", path, device: "hsm", data, source: "keyswitch:x", checksum },
  quota: { prefix: "secrets/team-a/", objects: 3 },
};
const how = { requestId: "id-1", timeoutMs: 2000 };
const taking = answerJson(200, {
  path,
  outcome: "changed",
  checksum,
  keys: ["password"],
  version: 2,
  device: "A",
});
const refusing = (status: number, code: string) =>
  answerJson(status, { code, message: "x" }, { "retry-after": "5" });

t.test("writes and removals go to the primary alone", async (t) => {
  const { writer, a, b, clock } = await scene(t, pair);
  a.answer = readAndWrite(held, taking);
  t.same(await writer.write(write, how), { outcome: "written" });
  t.match(a.agent.requests.at(-1)?.headers, { authorization: "Bearer write-token" });
  await a.agent.stop();
  t.match(await writer.write(write, how), { outcome: "unavailable", code: "AGENT_UNREACHABLE" });
  clock.now += 2000;
  const nobody = { outcome: "unavailable", code: "NO_LEASE", retryAfterSeconds: 5 };
  t.match(await writer.write(write, how), nobody);
  t.match(await writer.remove({ path, device: "hsm" }, how), nobody);
  t.same(asked(b), [], "a mirror is never written to");
});

t.test("an agent that is no primary any more has the roles asked anew, once", async (t) => {
  const { writer, a, b } = await scene(t, pair);
  await writer.remove({ path: "secrets/team-a/none" }, how);
  a.role = mirrorRole("A", "B", { epoch: 2 });
  b.role = primaryRole("B", 2);
  a.answer = refusing(409, "NOT_PRIMARY");
  b.answer = readAndWrite(held, taking);
  t.same(await writer.write(write, how), { outcome: "written" });
  t.equal(asked(b).length, 1);
  b.answer = refusing(409, "NOT_PRIMARY");
  t.match(await writer.write(write, how), {
    outcome: "unavailable",
    code: "NOT_PRIMARY",
    message: /^agent hsm\/B/,
  });
  t.equal(b.roleRequests, 3, "nobody is asked again and again");
});

t.test("refusals of a set are told by what they are", async (t) => {
  const { writer, a } = await scene(t, pair);
  const rows: [status: number, code: string, outcome: string][] = [
    [503, "NO_LEASE", "unavailable"],
    [503, "NO_MIRROR", "unavailable"],
    [507, "MIRROR_FULL", "refused"],
  ];
  for (const [status, code, outcome] of rows) {
    a.answer = refusing(status, code);
    t.match(await writer.write(write, how), { outcome, code });
    t.match(await writer.remove({ path, device: "hsm" }, how), { outcome, code });
  }
});
