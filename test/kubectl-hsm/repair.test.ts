// SPDX-License-Identifier: Apache-2.0
// Tests `kubectl hsm repair` on a healthy token, on a damaged one, and on a card that removes nothing.
import t from "tap";
import { cardFixture, cardTest, ready } from "../agent/pkcs11/card/card-fixture.ts";
import { someKeys } from "../agent/pkcs11/kill-points.ts";
import { startAgent } from "./fixture.ts";

t.setTimeout(590_000);

t.test("a token that is well", async (t) => {
  const { run } = await startAgent(t);
  t.match(await run(["repair", "--dry-run"]), { code: 0, stdout: "nothing is wrong\n" });
  t.match(await run(["repair"]), { code: 2, stderr: /--yes says that you are sure/ });
  t.match(JSON.parse((await run(["repair", "--yes", "-o", "json"])).stdout), { results: [], dryRun: false });
});

t.test("what is repaired and what is not", async (t) => {
  const { run } = await startAgent(t, {
    over: (memory) => ({
      ...memory,
      repair: async (dryRun) => ({
        kind: "repaired",
        results: [
          { label: "secrets/a/one", problem: "damaged-name", outcome: dryRun ? "would-repair" : "repaired" },
          { label: "secrets/a/two", problem: "leftover", outcome: dryRun ? "would-repair" : "failed" },
        ],
      }),
    }),
  });
  const dry = await run(["repair", "--dry-run"]);
  t.match(dry, { code: 0, stdout: /secrets\/a\/one: has a damaged name: would be repaired\n/ });
  t.match(dry.stdout, /2 to repair \(dry run\)\n$/);
  const done = await run(["repair", "--yes"]);
  t.match(done, { code: 6, stdout: /secrets\/a\/two: has something left of a write that was cut: FAILED\n/ });
  t.match(done.stdout, /1 repaired, 1 failed\n$/);
});

cardTest("a card that lets nothing go", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  await store.change("secrets/shop/db", { type: "put", data: someKeys(["a"]) });
  for (const fid of [...card.memory.files.keys()]) if (fid >> 8 === 0xcd) card.memory.files.delete(fid);
  await store.refresh();
  const { run } = await startAgent(t, { over: () => store });
  t.match(await run(["health"]), { stdout: /problems: {2}1 can't be read \(kubectl hsm repair\)/ });
  t.match(await run(["get", "db", "-n", "shop"]), { code: 3, stderr: /kubectl hsm repair/ });
  t.match(await run(["repair", "--dry-run"]), {
    code: 0,
    stdout: /secrets\/shop\/db: can't be read: would be/,
  });
  const left = await run(["repair", "--yes"]);
  t.match(left, { code: 6, stdout: /secrets\/shop\/db: can't be read: FAILED: .*docs\/hsm-setup.md/ });
});
