// SPDX-License-Identifier: Apache-2.0
// Reads the command line of a benchmark: which parts it is to run, and with what options.
import { parseArgs } from "node:util";
import type { Part } from "./part.ts";

/** A benchmark: `command` runs it, `options` take a value and are said in the usage. */
export interface Bench {
  readonly command: string;
  readonly parts: readonly Part[];
  readonly options?: Readonly<Record<string, { readonly value: string; readonly about: string }>>;
}

export type Plan =
  | {
      readonly kind: "run";
      readonly parts: readonly Part[];
      readonly profile: boolean;
      readonly into: string | undefined;
      option(name: string): string | undefined;
    }
  | { readonly kind: "help" }
  | { readonly kind: "refused"; readonly why: string };

const INTO = { into: { value: "FOLDER", about: "writes the figures there, not to bench/results/" } };

export const usageOf = ({ command, parts, options = {} }: Bench): string => {
  const valued = Object.entries({ ...options, ...INTO }).map(
    ([name, { value, about }]) => [`--${name} ${value}`, about] as const,
  );
  const lines = [
    ...parts.map(
      ({ name, about, onDemand }) => [name, onDemand ? `${about}; only if named` : about] as const,
    ),
    ["--profile", "has every process write a CPU and a heap profile beside the figures"] as const,
    ...valued,
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return [
    `usage: ${command} [-- part... ${["--profile", ...valued.map(([name]) => name)].map((word) => `[${word}]`).join(" ")}]`,
    ...lines.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`),
    "Without a part all are run. Exits with 0 when none failed, whether goals are met or not and whether this machine",
    "has what a part needs or not, with 1 when a part failed, with 2 when the command line is wrong.",
  ].join("\n");
};

export const planOf = ({ parts, options = {} }: Bench, args: readonly string[]): Plan => {
  const valued = Object.keys({ ...options, ...INTO }).map((name) => [name, { type: "string" }] as const);
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...Object.fromEntries(valued),
        profile: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return { kind: "help" };
    const unknown = positionals.find((word) => !parts.some(({ name }) => name === word));
    if (unknown !== undefined) return { kind: "refused", why: `there is no part ${unknown}` };
    const given: Readonly<Record<string, unknown>> = values;
    const option = (name: string): string | undefined => {
      const value = given[name];
      return typeof value === "string" ? value : undefined;
    };
    return {
      kind: "run",
      parts: parts.filter(({ name, onDemand }) =>
        positionals.length === 0 ? !onDemand : positionals.includes(name),
      ),
      profile: values.profile === true,
      into: option("into"),
      option,
    };
  } catch (error) {
    return { kind: "refused", why: error instanceof Error ? error.message : "the options are wrong" };
  }
};
