// SPDX-License-Identifier: Apache-2.0
// Runs a module as a process's main module, and ends that process when the one that started it is gone. Arguments: the module's
// URL, then its own arguments. Plain JavaScript: with --jitless, Node has no type stripping.
const [entry = "", ...args] = process.argv.slice(2);
process.argv.splice(1, process.argv.length, entry, ...args);
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
// The channel is watched, but is no reason to stay alive.
process.channel?.unref();
await import(entry);
