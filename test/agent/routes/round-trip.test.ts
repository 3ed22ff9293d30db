// SPDX-License-Identifier: Apache-2.0
// Tests that a whole token goes through an export into an empty one in the other layout with equal checksums.
import { randomBytes, randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { makeToken } from "../../../scripts/local/softhsm-token.ts";
import { ExportBody, ItemResults } from "../../../server/agent-api/bulk-schema.ts";
import { SecretListBody } from "../../../server/agent-api/schema.ts";
import { tokenFixture } from "../pkcs11/token-fixture.ts";
import { startWritableAgent, type WritableProcess } from "../writable-process.ts";

t.setTimeout(590_000);

const SECRETS = 200;

const checksumsOf = async ({ ask }: WritableProcess): Promise<[string, string][]> => {
  const { json } = await ask("GET", "/v1/secrets");
  if (!Value.Check(SecretListBody, json)) throw new Error("not a list");
  return json.secrets.map(({ path, checksum }) => [path, checksum]);
};

t.test("200 secrets, export, fresh token, import", async (t) => {
  const fixture = await tokenFixture(t);
  const from = await startWritableAgent(t, fixture);
  const secrets = Array.from({ length: SECRETS }, (_, index) => ({
    path: `secrets/team-${index % 7}/s${index}`,
    data: Object.fromEntries(
      Array.from({ length: 1 + (index % 4) }, (_, key) => [
        key === 0 && index % 5 === 0 ? "data" : `key-${key}`,
        randomBytes(index === 0 ? 100_000 : randomInt(0, 200)).toString("base64"),
      ]),
    ),
    metadata: { description: `number ${index}`, labels: { team: String(index % 7) } },
  }));
  const made = await from.ask("POST", "/v1/import", { body: { secrets } });
  t.equal(made.status, 200);
  const before = await checksumsOf(from);
  t.equal(before.length, SECRETS);

  const exported = await from.ask("GET", "/v1/export");
  t.ok(Value.Check(ExportBody, exported.json));
  if (!Value.Check(ExportBody, exported.json)) return;
  const own = join(dirname(fixture.token.pinFile), "fresh");
  mkdirSync(own);
  const token = await makeToken(own);
  t.teardown(() => token.close());
  const to = await startWritableAgent(t, { ...fixture, token }, { STORAGE_LAYOUT: "per-key" });
  const imported = await to.ask("POST", "/v1/import", { body: { secrets: exported.json.secrets } });
  t.ok(Value.Check(ItemResults, imported.json));
  if (!Value.Check(ItemResults, imported.json)) return;
  t.same(new Set(imported.json.results.map(({ outcome }) => outcome)), new Set(["created"]));
  t.same(await checksumsOf(to), before, "equal checksums");
  const [first] = exported.json.secrets;
  t.match((await to.ask("GET", `/v1/secrets/${first?.path}`)).json, {
    layout: "per-key",
    data: first?.data,
    metadata: first?.metadata,
  });
  const again = await to.ask("POST", "/v1/import", { body: { secrets: exported.json.secrets } });
  t.ok(Value.Check(ItemResults, again.json));
  if (!Value.Check(ItemResults, again.json)) return;
  t.same(new Set(again.json.results.map(({ outcome }) => outcome)), new Set(["unchanged"]));
});
