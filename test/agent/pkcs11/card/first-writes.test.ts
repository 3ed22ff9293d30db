// SPDX-License-Identifier: Apache-2.0
// Tests the first write of an agent that has just started: the agent and pkcs11-tool show it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import t from "tap";
import { someKeys } from "../kill-points.ts";
import { type CardFixture, cardFixture, cardTest, ready } from "./card-fixture.ts";

t.setTimeout(590_000);

/** How many agents write in each layout, each on a card that has seen no other. */
const AGENTS = Number(process.env.KEYSWITCH_FIRST_WRITES ?? "4");
const AT_ONCE = 4;

const listed = async ({ way, pin }: CardFixture): Promise<string> => {
  const args = ["--module", way.module, "--login", "--pin", "env:PIN", "--list-objects", "--type", "data"];
  const tool = spawn("pkcs11-tool", args, { env: { ...process.env, ...way.env, PIN: pin } });
  const [out] = await Promise.all([text(tool.stdout), once(tool, "exit")]);
  return out;
};

for (const layout of ["packed", "per-key"] as const) {
  cardTest(`${AGENTS} first writes, ${layout}`, async (t) => {
    let shown = 0;
    let named = 0;
    const one = async (): Promise<void> => {
      const fixture = await cardFixture(t);
      const store = fixture.openStore({ writes: { layout } });
      await ready(store);
      const result = await store.change("secrets/shop/db", { type: "put", data: someKeys(["a", "b"]) });
      const read = await store.read("secrets/shop/db");
      const isShown = result.kind === "written" && read.kind === "found" && read.checksum === result.checksum;
      if (isShown) shown += 1;
      else t.comment(JSON.stringify([result, read]));
      await store.close();
      const application = layout === "packed" ? "keyswitch/1" : "hsm-secrets-operator";
      const label = layout === "packed" ? "secrets/shop/db" : "secrets/shop/db/a";
      const out = await listed(fixture);
      if (out.includes(`label:          '${label}'`) && out.includes(`application:    '${application}'`)) {
        named += 1;
      } else t.comment(out);
    };
    for (let left = AGENTS; left > 0; left -= AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, one));
    }
    t.equal(shown, AGENTS, "all are shown");
    t.equal(named, AGENTS, "under their names and no others");
  });
}
