// SPDX-License-Identifier: Apache-2.0
// Tests a list during a write that creates the new object before it removes the old one: never an absent secret.
import { randomBytes } from "node:crypto";
import t from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import type { ReadResult } from "../../../server/agent/store.ts";
import { tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);
const PATH = "secrets/a/db";
const said = (result: ReadResult): string => (result.kind === "unavailable" ? result.code : result.kind);

const rows: [what: string, fresh: boolean, hold: string, heldCall: string][] = [
  ["between the handles and the names", true, "hold C_GetAttributeValue 1", "C_GetAttributeValue"],
  ["before the search ends", true, "hold C_FindObjectsFinal 1", "C_FindObjectsFinal"],
  [
    "before a search that a stale handle caused ends",
    false,
    "hold C_FindObjectsFinal 1",
    "C_FindObjectsFinal",
  ],
];
for (const [what, fresh, hold, heldCall] of rows) {
  t.test(`a secret is replaced ${what}`, async (t) => {
    const { token, module, openStore } = await tokenFixture(t);
    await token.putPacked(PATH, { user: "1" }, { version: 1 });
    const store = openStore();
    t.equal(said(await store.read(PATH)), "found");
    if (!fresh) await token.putPacked(PATH, { user: "2" }, { version: 2 });
    module.control(hold);
    module.forgetCalls();
    const reading = store.read(PATH, { fresh });
    await eventually(`a call of ${heldCall}`, async () => module.calls(heldCall) > 0, { paceMs: 5 });
    const metadata = { labels: { "sync.version": "3" } };
    await token.putObjects([
      { label: `${PATH}/user`, value: Buffer.from("3") },
      { label: `${PATH}/_metadata`, value: Buffer.from(JSON.stringify(metadata)) },
    ]);
    await token.removeLabels(PATH); // the packed object
    module.control();
    t.match(await reading, { kind: "found", version: 3 });
  });
}

t.test("a secret that is replaced all the time, on a token that takes long to list", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  const value = randomBytes(8);
  await token.putObjects(Array.from({ length: 300 }, (_, n) => ({ label: `secrets/z/s-${n}/key`, value })));
  await token.putObjects([{ label: `${PATH}/old`, value }]);
  const store = openStore({ direct: true, operationTimeoutMs: 8_000 });
  await store.read(PATH);
  const answers: string[] = [];
  let writing = true;
  const reader = (async () => {
    while (writing) answers.push(said(await store.read(PATH, { fresh: answers.length % 2 === 0 })));
  })();
  for (let writes = 0; writes < 100; writes += 1) {
    const [made, removed] = writes % 2 === 0 ? ["new", "old"] : ["old", "new"];
    await token.putObjects([{ label: `${PATH}/${made}`, value }]);
    await token.removeLabels(`${PATH}/${removed}`);
  }
  writing = false;
  await reader;
  t.comment(`answers: ${answers.join(" ")}`);
  // Not promised while the writer never rests: it can fall into the window of both listings (docs/agent-api.md).
  t.comment(`absent: ${answers.filter((answer) => answer === "absent").length} of ${answers.length}`);
  t.equal(said(await store.read(PATH, { fresh: true })), "found", "and is found when the writer rests");
});

t.test("a secret that is gone is absent", async (t) => {
  const { token, openStore } = await tokenFixture(t);
  await token.putPerKey(PATH, { user: "1" });
  const store = openStore({ direct: true });
  t.equal(said(await store.read(PATH)), "found");
  await token.remove(PATH);
  t.equal(said(await store.read(PATH)), "absent");
});
