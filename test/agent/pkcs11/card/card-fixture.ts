// SPDX-License-Identifier: Apache-2.0
// Sets up a virtual SmartCard-HSM behind real pcscd and OpenSC, with stores and agents on it.
import { randomBytes, randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually } from "../../../../scripts/local/eventually.ts";
import { type CardOptions, initialisedCard } from "../../../doubles/sc-hsm/applet.ts";
import { insertCard, type VirtualCard } from "../../../doubles/sc-hsm/card.ts";
import { openscModule, type Pcscd, startPcscd } from "../../../doubles/sc-hsm/pcscd.ts";
import { type StoreOptions, type TokenWay, type WatchedStore, watchedStore } from "../token-fixture.ts";

/** Why there can be no card here; false where there can. A reader and a network of its own need root. */
const NO_CARD = process.getuid?.() === 0 ? false : "a virtual reader needs root, for its namespaces";

/** A test that needs a card; skipped, and counted as such, where there can be none. */
export const cardTest = (name: string, run: (t: Test) => Promise<unknown>): void => {
  void t.test(name, { skip: NO_CARD }, run);
};

export type CardFixture = {
  card: VirtualCard;
  pcscd: Pcscd;
  pin: string;
  soPin: string;
  way: TokenWay;
  /** A store on the card; closed at the end of the test. */
  openStore(options?: StoreOptions): WatchedStore;
};

/** A new card in a reader of its own, with a PIN that nobody knew before. Everything ends with the test. */
export const cardFixture = async (t: Test, options: Partial<CardOptions> = {}): Promise<CardFixture> => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-card-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const pin = String(randomInt(100_000, 999_999));
  const soPin = randomBytes(8).toString("hex");
  const pinFile = join(dir, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  const pcscd = await startPcscd();
  t.teardown(() => pcscd.close());
  const { label = "keyswitch" } = options;
  const card = insertCard(initialisedCard({ pin, soPin, ...options, label }), pcscd.reader);
  t.teardown(() => card.unplug());
  const way = { module: openscModule(), label, pinFile, env: pcscd.env };
  return {
    card,
    pcscd,
    pin,
    soPin,
    way,
    openStore: (storeOptions = {}) => {
      const store = watchedStore(way, storeOptions);
      t.teardown(() => store.close());
      return store;
    },
  };
};

/** Resolves once the store has loaded the card anew; a card that was just plugged in is not there at once. */
export const reloaded = (store: WatchedStore): Promise<unknown> =>
  eventually("the card is loaded", async () => (await store.refresh()).kind === "refreshed", {
    seconds: 60,
    seen: () => JSON.stringify(store.health()),
  });

/** Resolves once the store's token can be read; asks for it, so that the agent does not rest between two tries. */
export const ready = (store: WatchedStore): Promise<unknown> =>
  eventually("the token can be read", async () => (await store.info()).kind === "info", {
    seconds: 60,
    seen: () => JSON.stringify(store.health()),
  });
