// SPDX-License-Identifier: Apache-2.0
// Tests that a local run does not wait for a process that has ended, and says what it printed last.
import t from "tap";
import { startStack } from "../../scripts/local/stack.ts";

t.test("an agent that ends at its start", async (t) => {
  const starting = startStack({ token: "SoftHSM2", agentEnv: { DEVICE_NAME: "A B" } });
  await t.rejects(starting, { message: /^the agent has ended: [\s\S]*DEVICE_NAME must be / });
});
