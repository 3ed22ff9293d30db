// SPDX-License-Identifier: Apache-2.0
// Tests that the double of synapse-token-authenticator fails where the module fails: what the guide advises against stops
// Synapse.
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { startSynapse } from "../../../scripts/homeserver/synapse.ts";
import { findSynapseRoot } from "../../../scripts/homeserver/synapse-root.ts";
import { placeStandIn } from "./guide.ts";

const found = findSynapseRoot();

t.test("on a real homeserver", { skip: found.kind === "unavailable" && found.why }, async (t) => {
  if (found.kind === "unavailable") return;
  const { root } = found;
  const { module, inside } = placeStandIn(t, root);
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(root, inside, "realm.pem"), publicKey.export({ type: "spki", format: "pem" }));
  const faults: [sentence: string, jwt: Record<string, unknown>, log: RegExp][] = [
    [
      "a keyfile, which the module reads as text",
      { keyfile: `${inside}/realm.pem`, algorithm: "RS256" },
      /TypeError/,
    ],
    ["a keyfile that is not there", { keyfile: "/none.pem", algorithm: "RS256" }, /Keyfile doesn't exist/],
    ["neither secret nor keyfile", { algorithm: "HS512" }, /Missing secret or keyfile/],
    ["an algorithm that is none", { secret: "x", algorithm: "none" }, /Unknown algorithm/],
  ];
  for (const [sentence, jwt, log] of faults) {
    t.test(`Synapse does not start with ${sentence}`, async (t) => {
      const started = startSynapse({ root, config: { modules: [{ module, config: { jwt } }] } });
      t.teardown(async () => (await started.catch(() => undefined))?.remove());
      await t.rejects(started, { message: log });
    });
  }
});
