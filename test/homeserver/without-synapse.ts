// SPDX-License-Identifier: Apache-2.0
// Serves availability.test.ts as a test file on a machine without Synapse; its argument is the reason.
import t from "tap";
import { synapseFor } from "../matrix/synapse.ts";

t.test("what needs Synapse", async (t) => {
  const synapse = await synapseFor(t, {
    availability: { kind: "unavailable", why: process.argv[2] ?? "" },
  });
  if (synapse !== undefined) t.fail("there is none");
});
