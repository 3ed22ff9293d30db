// SPDX-License-Identifier: Apache-2.0
// Tests that a card from the factory, which OpenSC does not call blank, is left as it is by an agent that may provision.
import { existsSync } from "node:fs";
import t from "tap";
import { factoryCard } from "../../../doubles/sc-hsm/applet.ts";
import { healthOf } from "../blank-fixture.ts";
import { cardFixture, cardTest, reloaded } from "./card-fixture.ts";

t.setTimeout(200_000);

cardTest("OpenSC calls no card blank, so none is set up", async (t) => {
  const { card, way, openStore } = await cardFixture(t);
  const soPinFile = `${way.pinFile}-so`;
  const pkcs11 = { provision: { soPinFile } };
  const store = openStore({ pkcs11 });
  await reloaded(store);
  await store.close();
  card.unplug();
  Object.assign(card.memory, factoryCard());
  const before = [...card.memory.files.keys()];
  card.plug();
  const blank = openStore({ pkcs11 });
  await healthOf(blank, /"SmartCard-HSM \(UserPIN\)".*Nothing was provisioned: .*OpenSC calls none so/);
  t.same([...card.memory.files.keys()], before);
  t.equal(card.memory.user.value.length, 0, "it has no PIN");
  t.notOk(existsSync(soPinFile));
});
