// SPDX-License-Identifier: Apache-2.0
// Restricts a store to what its clients may see and write: all but what the agent keeps on the token for itself.
import { isReservedPath } from "./storage/path.ts";
import type { ListResult, SecretStore } from "./store.ts";

const shownList = (result: ListResult): ListResult => {
  if (result.kind !== "listed") return result;
  const { secrets, invalid } = result;
  return {
    ...result,
    secrets: secrets.filter(({ path }) => !isReservedPath(path)).map(({ history: _, ...shown }) => shown),
    ...(invalid !== undefined && { invalid: invalid.filter((path) => !isReservedPath(path)) }),
  };
};

const refuseReserved = (path: string): void => {
  if (isReservedPath(path)) throw new TypeError(`${path} is no client's to write`);
};

type ChangeAll = NonNullable<SecretStore["changeAll"]>;

const changeAllOf =
  (changeAll: ChangeAll): ChangeAll =>
  async (changes) => {
    for (const { path } of changes) refuseReserved(path);
    return changeAll(changes);
  };

/**
 * The store as clients have it: what is reserved is absent, and is not written. Objects that count for nothing are told of in any case,
 * and repair mends all there is.
 */
export const createClientStore = (store: SecretStore): SecretStore => ({
  read: async (path, options) => (isReservedPath(path) ? { kind: "absent" } : store.read(path, options)),
  list: async (prefix, options) => shownList(await store.list(prefix, options)),
  info: () => store.info(),
  change: async (path, change, precondition, origin) => {
    refuseReserved(path);
    return store.change(path, change, precondition, origin);
  },
  ...(store.changeAll !== undefined && { changeAll: changeAllOf(store.changeAll.bind(store)) }),
  refresh: () => store.refresh(),
  repair: (dryRun) => store.repair(dryRun),
  setPin: (currentPin, newPin) => store.setPin(currentPin, newPin),
  health: () => store.health(),
  close: () => store.close(),
});
