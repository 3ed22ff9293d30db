// SPDX-License-Identifier: Apache-2.0
// A test file of a test, on a machine without Synapse; its argument is the reason.
import t from "tap";
import { synapseFor } from "../matrix/synapse.ts";

t.test("what needs Synapse", async (t) => {
  const synapse = await synapseFor(t, {
    availability: { state: "unavailable", why: process.argv[2] ?? "" },
  });
  if (synapse !== undefined) t.fail("there is none");
});
