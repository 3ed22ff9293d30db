// SPDX-License-Identifier: Apache-2.0
// Generates the tables of environment variables in docs/ from those that the configuration is parsed by.
import { AGENT_VARIABLES } from "../server/agent/config.ts";
import { BOT_VARIABLES } from "../server/bot/config.ts";
import { defaultOf, type Variable, type VariableTable } from "../server/config/variable-table.ts";
import { DISCOVERY_VARIABLES } from "../server/discovery/config.ts";
import { KUBECTL_HSM_VARIABLES, OPTION_OF } from "../server/kubectl-hsm/config.ts";
import { WEBHOOK_VARIABLES } from "../server/webhook/config.ts";

/** The documents that have such tables, by their names in docs/. */
export const DOCUMENTS_WITH_TABLES = ["configuration.md", "kubectl-hsm.md"] as const;

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");

const tableOf = (columns: readonly string[], rows: readonly (readonly string[])[]): string =>
  [columns, columns.map(() => "---"), ...rows].map(row).join("\n");

/** Name, default and meaning of a variable, as cells. */
const cellsOf = (name: string, variable: Variable<unknown>): string[] => {
  const fallback = defaultOf(variable);
  const meaning = variable.required ? `required: ${variable.description}` : variable.description;
  return [`\`${name}\``, fallback === null ? "" : `\`${fallback}\``, meaning];
};

const roleTable = (variables: VariableTable): string =>
  tableOf(
    ["variable", "default", "meaning"],
    Object.entries(variables).map(([name, variable]) => cellsOf(name, variable)),
  );

const kubectlHsmTable = (): string => {
  const options = new Map<string, string>(Object.entries(OPTION_OF));
  const rows = Object.entries(KUBECTL_HSM_VARIABLES).map(([name, variable]) => [
    `\`--${options.get(name)}\``,
    ...cellsOf(name, variable),
  ]);
  return tableOf(["option", "variable", "default", "what"], rows);
};

const TABLES: Readonly<Record<string, () => string>> = {
  webhook: () => roleTable(WEBHOOK_VARIABLES),
  agent: () => roleTable(AGENT_VARIABLES),
  bot: () => roleTable(BOT_VARIABLES),
  discovery: () => roleTable(DISCOVERY_VARIABLES),
  "kubectl hsm": kubectlHsmTable,
};

const PLACE =
  /(<!-- variables of ([a-z ]+), by npm run generate -->\n)[\s\S]*?(\n<!-- end of variables -->)/g;

/** A document with its tables as they are now. @throws Error for the name of a table that there isn't */
export const withVariableTables = (document: string): string =>
  document.replace(PLACE, (_, start: string, name: string, end: string) => {
    const table = TABLES[name];
    if (table === undefined) throw new Error(`there is no table of variables of ${name}`);
    return `${start}${table()}${end}`;
  });
