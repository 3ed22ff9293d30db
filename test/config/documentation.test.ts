// SPDX-License-Identifier: Apache-2.0
// docs/configuration.md lists exactly the variables and defaults of the code, and only server/config and the entries read them.
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { AGENT_VARIABLES } from "../../server/config/agent.ts";
import { BOT_VARIABLES } from "../../server/config/bot.ts";
import { MATRIX_VARIABLES } from "../../server/config/matrix.ts";
import type { VariableTable } from "../../server/config/variables.ts";
import { WEBHOOK_VARIABLES } from "../../server/config/webhook.ts";
import { EXIT_CODES } from "../../server/conntest/main.ts";
import { USAGE } from "../../server/conntest/options.ts";

const document = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");

const sectionOf = (role: string): string =>
  document.split(/^## /m).find((part) => part.startsWith(`${role}\n`)) ?? "";

const documented = (role: string): VariableTable => {
  const rows = sectionOf(role).matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| (.+) \|$/gm);
  return Object.fromEntries([...rows].map(([, name, value]) => [name, value ?? null]));
};

const roles = { webhook: WEBHOOK_VARIABLES, agent: AGENT_VARIABLES, bot: BOT_VARIABLES };
for (const [role, variables] of Object.entries(roles))
  t.test(`the table of ${role} has every variable with its default, and no other`, async (t) => {
    t.same(documented(role), variables);
  });

t.test("conntest's variables, options and exit codes are those of the code", async (t) => {
  const section = sectionOf("conntest");
  const names = [...section.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name]) => name);
  t.same([...new Set(names)].sort(), Object.keys(MATRIX_VARIABLES).sort());
  const options = (text: string) =>
    [...new Set(text.match(/--[a-z-]{3,}/g))].filter((o) => /[a-z]/.test(o)).sort();
  t.same(options(section), options(USAGE));
  for (const code of Object.values(EXIT_CODES))
    t.match(section.split("It exits")[1], new RegExp(`\\b${code}\\b`));
});

t.test("the environment is read in one place", async (t) => {
  const root = new URL("../../server/", import.meta.url);
  const readers = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("agent/pkcs11/"))
    .filter((file) => readFileSync(new URL(file, root), "utf8").includes("process.env"));
  const entries = ["kubectl-complete-hsm.ts", "kubectl-hsm.ts", "main.ts"];
  t.same(readers.sort(), entries, "the entries hand it to the parsers of server/config");
});
