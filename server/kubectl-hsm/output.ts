// SPDX-License-Identifier: Apache-2.0
// Prints results as text, JSON or YAML, without control sequences that a terminal would obey.
import { Document, Scalar, visit } from "yaml";
import { type Io, oneLine, write } from "./io.ts";

export type Format = "text" | "json" | "yaml";

export type Output = {
  format: Format;
  /** The result of a command: `text` lines for people, `data` for programs. Lines are made safe here. */
  result(data: unknown, text: readonly string[]): Promise<void>;
  /** A line beside the result, on standard error. */
  note(line: string): Promise<void>;
};

const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

const escaped = (text: string): string =>
  text.replace(UNSAFE, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
      .join(""),
  );

/** JSON in which every character that could upset a terminal is escaped. */
export const safeJson = (data: unknown): string =>
  `${JSON.stringify(data, null, 2).split("\n").map(escaped).join("\n")}\n`;

/** The same as YAML. Text with such characters is quoted, since only quoted text can hold escapes. */
const safeYaml = (data: unknown): string => {
  // Through JSON, so that both formats say the same of what is undefined.
  const plain: unknown = JSON.parse(JSON.stringify(data));
  const document = new Document(plain, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "string" && node.value.search(UNSAFE) >= 0) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document
    .toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER })
    .split("\n")
    .map(yamlEscaped)
    .join("\n");
};

/** YAML's \u takes four digits and knows no surrogates, so what is beyond is written with \U. */
const yamlEscaped = (line: string): string =>
  line.replace(UNSAFE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
  });

export const createOutput = (io: Io, format: Format): Output => ({
  format,
  async result(data, text) {
    const content =
      format === "json"
        ? safeJson(data)
        : format === "yaml"
          ? safeYaml(data)
          : text.map((line) => `${oneLine(line)}\n`).join("");
    await write(io.stdout, content);
  },
  note: (line) => write(io.stderr, `${oneLine(line)}\n`),
});

/** Rows as columns; the last column is not padded. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const all = [head, ...rows].map((row) => row.map(oneLine));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("   ")
      .trimEnd(),
  );
};
