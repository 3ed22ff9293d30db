// SPDX-License-Identifier: Apache-2.0
// docs/configuration.md lists exactly the variables and defaults of the code, and only server/config and main read them.
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { AGENT_VARIABLES } from "../../server/config/agent.ts";
import type { VariableTable } from "../../server/config/variables.ts";
import { WEBHOOK_VARIABLES } from "../../server/config/webhook.ts";

const document = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

const documented = (role: string): VariableTable => {
  const section = document.split(/^## /m).find((part) => part.startsWith(`${role}\n`)) ?? "";
  const rows = section.matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| (.+) \|$/gm);
  return Object.fromEntries([...rows].map(([, name, value]) => [name, value ?? null]));
};

for (const [role, variables] of Object.entries({ webhook: WEBHOOK_VARIABLES, agent: AGENT_VARIABLES }))
  t.test(`the table of ${role} has every variable with its default, and no other`, async (t) => {
    t.same(documented(role), variables);
  });

t.test("the environment is read in one place", async (t) => {
  const root = new URL("../../server/", import.meta.url);
  const readers = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("agent/pkcs11/"))
    .filter((file) => readFileSync(new URL(file, root), "utf8").includes("process.env"));
  t.same(readers, ["main.ts"], "main.ts hands it to the parsers of server/config");
});
