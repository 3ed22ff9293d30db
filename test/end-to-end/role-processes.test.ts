// SPDX-License-Identifier: Apache-2.0
// Tests that a role of the local run that has ended by itself can be started again, and one that runs can't.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import type { LocalToken } from "../../scripts/local/local-token.ts";
import type { Workload } from "../../scripts/local/pod-process.ts";
import { RoleProcesses } from "../../scripts/local/role-processes.ts";

const container = { name: "agent", args: ["agent"], env: [], volumeMounts: [] };
const workload: Workload = {
  spec: { template: { metadata: { labels: {} }, spec: { containers: [container], volumes: [] } } },
};

t.test("an agent that has ended by itself is started again", async (t) => {
  const folder = t.testdir({
    "main.mjs": "if (process.env.ENDS) process.exit(1); setInterval(() => {}, 1000);",
  });
  const main = pathToFileURL(join(folder, "main.mjs"));
  const overrides = { agent: { ENDS: "yes" }, webhook: {} };
  let serves = false;
  const roles = new RoleProcesses({
    workloads: { agent: workload, webhook: workload },
    overrides,
    read: async () => ({}),
    folder,
    token: { attach: () => {} } as unknown as LocalToken,
    product: { main, webhook: main, isBundled: true },
    services: { call: async () => ({ status: serves ? 200 : 503 }) },
    onLine: () => {},
  });
  t.teardown(() => roles.stopAll());
  await t.rejects(roles.start("agent"), { message: /^the agent has ended/ });
  Object.assign(overrides.agent, { ENDS: "" });
  serves = true;
  await roles.start("agent");
  await t.rejects(roles.start("agent"), { message: "the agent runs already" });
});
