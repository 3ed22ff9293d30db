// SPDX-License-Identifier: Apache-2.0
// Runs a process that starts a Synapse in the root that is its argument, reports it, and waits to be killed.
import { startSynapse } from "../../scripts/homeserver/synapse.ts";

const homeserver = await startSynapse({ root: process.argv[2] ?? "" });
process.send?.({ pid: homeserver.pid(), logFile: homeserver.logFile });
