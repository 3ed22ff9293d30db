// SPDX-License-Identifier: Apache-2.0
// Puts the role of an agent before the changes of its store: one that the role does not allow does not begin.
import { type ChangeResult, type RepairOutcome, type SecretStore, unavailable } from "../store.ts";
import type { AgentRole } from "./agent-role.ts";

/** What a repair that the role does not allow is answered with: nothing is known of what is wrong. */
const notRepaired = (end: RepairOutcome | ChangeResult): RepairOutcome =>
  end.kind === "repaired" || end.kind === "unavailable"
    ? end
    : unavailable("TOKEN_UNAVAILABLE", "the agent has no lease as primary of its set; nothing was repaired");

/** The same store, written under the lease of `role` alone. Reads, and the PIN, are not those of a role. */
export const gatedStore = (store: SecretStore, role: AgentRole): SecretStore => ({
  read: (path, options) => store.read(path, options),
  list: (prefix, options) => store.list(prefix, options),
  info: () => store.info(),
  change: (path, change, precondition = {}) => role.change(path, change, precondition),
  refresh: () => store.refresh(),
  repair: async (dryRun) =>
    dryRun ? store.repair(true) : notRepaired(await role.maintain(() => store.repair(false))),
  setPin: (currentPin, newPin) => store.setPin(currentPin, newPin),
  health: () => store.health(),
  close: () => store.close(),
});
