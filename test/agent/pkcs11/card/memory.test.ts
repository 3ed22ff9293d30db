// SPDX-License-Identifier: Apache-2.0
// Tests reads while the card is loaded and written: none waits or fails, and a write is in the next read.
import t from "tap";
import { checksum } from "../../../../hooks/checksum.ts";
import { someKeys } from "../kill-points.ts";
import { cardFixture, cardTest, ready } from "./card-fixture.ts";

t.setTimeout(590_000);

const SECRETS = 10;
const REFRESHES = 4;
const WRITES = 3;

cardTest("reads during refreshes and writes at 8 ms an APDU", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  const paths = Array.from({ length: SECRETS }, (_, index) => `secrets/a/s${index}`);
  for (const path of paths) await store.change(path, { type: "put", data: someKeys(["a", "b"]) });
  card.delayMs = 8;
  let busy = true;
  const times: number[] = [];
  const failures: string[] = [];
  const reading = (async () => {
    for (let n = 0; busy; n += 1) {
      const from = performance.now();
      const read = await store.read(paths[n % SECRETS] ?? "");
      times.push(performance.now() - from);
      if (read.kind !== "found") failures.push(JSON.stringify(read));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  for (let n = 0; n < REFRESHES; n += 1) t.match(await store.refresh(), { kind: "refreshed" });
  for (let n = 0; n < WRITES; n += 1) {
    const data = someKeys(["a", "b"]);
    const written = await store.change(paths[n] ?? "", { type: "put", data });
    t.match(written, { kind: "written", checksum: checksum(data) });
    t.match(await store.read(paths[n] ?? ""), { checksum: checksum(data) }, "it is in the next read");
  }
  busy = false;
  await reading;
  const sorted = times.sort((a, b) => a - b);
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
  t.comment(
    `${times.length} reads during ${REFRESHES} refreshes and ${WRITES} writes: p95 ${p95.toFixed(1)} ms`,
  );
  t.same(failures, []);
  t.ok(times.length > 50, "there were reads");
});

cardTest("a read touches the card at no time", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  await store.change("secrets/a/db", { type: "put", data: someKeys(["a"]) });
  card.forget();
  for (let n = 0; n < 20; n += 1) t.match(await store.read("secrets/a/db"), { kind: "found" });
  t.match(await store.list(""), { kind: "listed" });
  t.same(card.log, []);
});

cardTest("nothing is answered from memory once the card is gone", async (t) => {
  const { card, openStore } = await cardFixture(t);
  const store = openStore();
  await ready(store);
  await store.change("secrets/a/db", { type: "put", data: someKeys(["a"]) });
  card.unplug();
  await store.healthIs(false);
  t.match(await store.read("secrets/a/db"), { kind: "unavailable", code: "TOKEN_UNAVAILABLE" });
  card.plug();
  await ready(store);
  t.match(await store.read("secrets/a/db"), { kind: "found" });
});
