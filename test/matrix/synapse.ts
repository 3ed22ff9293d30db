// SPDX-License-Identifier: Apache-2.0
// Gives a test file its Synapse, and decides for all of them what happens on a machine that can't have one: what needs it
// is skipped, and counted as skipped.
import root, { type Test } from "tap";
import { type Homeserver, type HomeserverOptions, startSynapse } from "../../scripts/homeserver/synapse.ts";
import { findSynapseRoot, type SynapseRoot } from "../../scripts/homeserver/synapse-root.ts";

/** What a client left behind when its homeserver went must not hold up the end of the file for longer than this. */
const LEFT_BEHIND_MS = 5_000;

/** To be called once all tests of the file are through. The timer itself keeps nothing alive. */
const endSoon = (): void => {
  setTimeout(() => process.exit(), LEFT_BEHIND_MS).unref();
};

let endsSoon = false;

export type SynapseOptions = Omit<HomeserverOptions, "root"> & {
  /** For a test of this file; otherwise this machine's. */
  readonly availability?: SynapseRoot;
};

/**
 * Starts a Synapse that goes when `t` ends; given the test file's own `t`, all tests of the file share it. Where there is no
 * Synapse one skipped test is counted, which says why, and the answer is undefined:
 *
 *     const synapse = await synapseFor(t);
 *     if (synapse !== undefined) t.test("…", async (t) => …);
 */
export const synapseFor = async (t: Test, options: SynapseOptions = {}): Promise<Homeserver | undefined> => {
  const { availability = findSynapseRoot(), ...rest } = options;
  if (availability.state === "unavailable") {
    t.test("Synapse", { skip: availability.why }, async () => {});
    return undefined;
  }
  if (!endsSoon) root.teardown(endSoon);
  endsSoon = true;
  const homeserver = await startSynapse({ root: availability.root, ...rest });
  t.teardown(() => homeserver.remove());
  return homeserver;
};
