// SPDX-License-Identifier: Apache-2.0
// Runs a process that holds a bot's store, with values committed and a transaction open, until it is killed.
import { openBotStore } from "../../server/bot/store.ts";

const store = openBotStore(process.argv[2] ?? "");
store.put("sync", "committed", "yes");
store.put("sync", "soon", "yes", "soon");
store.transaction(() => {
  store.put("sync", "open", "no");
  process.send?.("held");
  // Stays in the middle of the transaction.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
