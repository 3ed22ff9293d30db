// SPDX-License-Identifier: Apache-2.0
// Tests that docs/kubectl-hsm.md matches the code: commands, options and variables, exit codes.
import { readFileSync } from "node:fs";
import t from "tap";
import { defaultOf } from "../../server/config/variable-table.ts";
import { COMMANDS } from "../../server/kubectl-hsm/commands.ts";
import { KUBECTL_HSM_VARIABLES } from "../../server/kubectl-hsm/config.ts";
import { EXIT_CODES } from "../../server/kubectl-hsm/exit-codes.ts";
import { usageOf } from "../../server/kubectl-hsm/help.ts";
import { GLOBAL_OPTIONS } from "../../server/kubectl-hsm/option-spec.ts";

const document = readFileSync(new URL("../../docs/kubectl-hsm.md", import.meta.url), "utf8");
const sections = new Map(
  document.split(/^## /m).map((part) => [part.slice(0, part.indexOf("\n")), part] as const),
);
const cells = (section: string, row: RegExp) =>
  [...(sections.get(section) ?? "").matchAll(row)].map(([, ...found]) => found);

t.test("every command, as its usage has it, and no other", async (t) => {
  t.same(cells("Commands", /^\| `([^`]+)` \|/gm).flat(), COMMANDS.map(usageOf));
});

t.test("every exit code with its meaning", async (t) => {
  t.same(
    cells("Exit codes", /^\| (\d+) \| (.+) \|$/gm),
    Object.values(EXIT_CODES).map(({ code, text }) => [String(code), text]),
  );
});

t.test("the variables with their options and defaults", async (t) => {
  const rows = cells("How it reaches the agent", /^\| `--([a-z-]+)` \| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| /gm);
  t.same(
    Object.fromEntries(rows.map(([, name, value]) => [name, value ?? null])),
    Object.fromEntries(Object.entries(KUBECTL_HSM_VARIABLES).map(([name, one]) => [name, defaultOf(one)])),
  );
  for (const [option = "", name = ""] of rows) {
    const spec = Object.entries(GLOBAL_OPTIONS).find(([one]) => one === option)?.[1];
    t.match(spec?.help, `(${name}`, option);
  }
});

t.test("every option that it names is one", async (t) => {
  const known = new Set(
    [GLOBAL_OPTIONS, ...COMMANDS.map(({ options }) => options)].flatMap((options) => Object.keys(options)),
  );
  const others = ["omit", "apply", "rotate", "only"];
  for (const [, option = ""] of document.matchAll(/--([a-z][a-z-]+)/g)) {
    t.ok(known.has(option) || others.includes(option), `--${option}`);
  }
});
