// SPDX-License-Identifier: Apache-2.0
// Parses the table of docs/kubectl-hsm.md that says how each program reads the lines of a .env file.

/** What a program makes of `A`: its value, or one of three words. */
export type Reading = { value: string } | "refused" | "left out" | "environment";

export type ReadingsRow = Record<"hsm" | "compose" | "kubectl" | "node", Reading> & { text: string };

/** The rows under the heading, every cell in its own words. */
export const readingsOf = (document: string): ReadingsRow[] => {
  const table = document.split("| lines | kubectl hsm | Docker Compose | kubectl | Node |\n")[1] ?? "";
  const rows = table.split("\n\n")[0]?.split("\n").slice(1) ?? [];
  return rows.map((row) => {
    const [text = "", ...cells] = row.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    const [hsm, compose, kubectl, node] = cells.map(readingOf);
    if (hsm === undefined || compose === undefined || kubectl === undefined || node === undefined) {
      throw new Error(`the row of ${text} has no five cells`);
    }
    return { text: codeOf(text), hsm, compose, kubectl, node };
  });
};

const readingOf = (cell: string): Reading => {
  if (cell === "*refused*") return "refused";
  if (cell === "*left out*") return "left out";
  if (cell === "*environment*") return "environment";
  return { value: cell === "*empty*" ? "" : codeOf(cell) };
};

const SIGNS: Readonly<Record<string, string>> = { "⏎": "\n", "␍": "\r", "⇥": "\t", "␣": " " };

/** The text within backquotes. */
const codeOf = (cell: string): string => {
  const code = /^`` ?(.+?) ?``$/.exec(cell)?.[1] ?? /^`([^`]+)`$/.exec(cell)?.[1];
  if (code === undefined) throw new Error(`${cell} is no code`);
  return code.replace(/[⏎␍⇥␣]/g, (sign) => SIGNS[sign] ?? "");
};
