// SPDX-License-Identifier: Apache-2.0
// Prints the configuration when a process starts: each variable with its value, secrets as set or unset.
import { defaultOf, ownText, type Variable, type VariableTable } from "./variable-table.ts";
import type { Environment } from "./variables.ts";

const ADDRESS = /(_URL|_HOMESERVER|HTTPS_PROXY)$/;

/** Longer values are not padded to, so that one list of users does not make every line long. */
const WIDTH = 50;

/**
 * The lines of a table: variable, value, and whether it is the default. Of a `*_FILE` the path is shown, of other
 * secrets whether they are set. Each line is meant to be one entry of the log.
 */
export const startupTable = (env: Environment, variables: VariableTable): string[] => {
  const rows = Object.entries(variables).map(([name, variable]) => {
    const own = ownText(env, name, variable);
    return [
      name,
      shown(name, variable, own ?? defaultOf(variable)),
      own === undefined ? "default" : "set",
    ] as const;
  });
  const table = [["variable", "value", "from"] as const, ...rows];
  const width = (column: 0 | 1) => Math.min(WIDTH, Math.max(...table.map((row) => row[column].length)));
  return table.map(([name, value, from]) => `${name.padEnd(width(0))} | ${value.padEnd(width(1))} | ${from}`);
};

const shown = (name: string, variable: Variable<unknown>, value: string | null): string => {
  if (value === null) return "unset";
  if (name.endsWith("_FILE")) return `file ${value}`;
  if (variable.secret) return "set";
  return (ADDRESS.test(name) ? withoutCredentials(value) : value).replaceAll(/\s+/g, " ");
};

/** An address that may not be valid: what stands where credentials do, before an `@` and in a query, is left out. */
const withoutCredentials = (address: string): string =>
  address.replace(/^([a-z]+:\/\/)?.*@/is, "$1***@").replace(/[?#].*$/s, "?***");
