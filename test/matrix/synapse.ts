// SPDX-License-Identifier: Apache-2.0
// Provides a test file's Synapse; on a machine that can't have one, tests that need it are skipped and counted as skipped.
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
 * Starts a Synapse that goes when `t` ends; the tests within `t` share it. Where there is no Synapse one skipped test is
 * counted, which says why, and the answer is undefined:
 *
 *     t.test("on a real homeserver", async (t) => {
 *       const synapse = await synapseFor(t);
 *       if (synapse === undefined) return;
 *       t.test("…", async (t) => …);
 *     });
 *
 * A file's own `t` is refused. Once it has a teardown, tap ends it as soon as none of its tests runs: while the file still
 * waits for Synapse, so that the tests behind the wait would be left out, and the file would pass.
 */
export const synapseFor = async (t: Test, options: SynapseOptions = {}): Promise<Homeserver | undefined> => {
  if (t === root) throw new Error("synapseFor has to be called within a test: see what it says about that");
  const { availability = findSynapseRoot(), ...rest } = options;
  if (availability.kind === "unavailable") {
    t.test("Synapse", { skip: availability.why }, async () => {});
    return undefined;
  }
  if (!endsSoon) root.teardown(endSoon);
  endsSoon = true;
  const homeserver = await startSynapse({ root: availability.root, ...rest });
  t.teardown(() => homeserver.remove());
  return homeserver;
};
