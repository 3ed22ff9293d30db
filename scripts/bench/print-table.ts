// SPDX-License-Identifier: Apache-2.0
// Prints figures in columns.

export const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Says the rows in columns, the first to the left and the others to the right. */
export const sayTable = (rows: readonly (readonly (string | number)[])[]): void => {
  const widths =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => String(row[column]).length))) ?? [];
  const pad = (cell: string | number, column: number) =>
    column === 0 ? String(cell).padEnd(widths[0] ?? 0) : String(cell).padStart((widths[column] ?? 0) + 3);
  for (const row of rows) say(row.map(pad).join(""));
  say("");
};
