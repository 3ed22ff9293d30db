// SPDX-License-Identifier: Apache-2.0
// Parses quoted values of .env files over any number of lines: 'literal', "with escapes", and both concatenated as in a shell.
import { failParsing } from "./parse-text.ts";

/** What is read, and the place behind it. */
type Piece = { value: string; end: number };

/**
 * The quoted value that begins at `at`. Pieces that touch are one value, as a shell joins them: `'it'"'"'s'` and
 * `'it'\''s'` are how programs write it's.
 */
export const readQuoted = (text: string, at: number): Piece => {
  const mark = text[at] ?? "";
  if (text.startsWith(mark.repeat(3), at)) {
    failParsing(
      at,
      "has three quotation marks in a row",
      "one before and one behind a value of several lines",
    );
  }
  let [value, end] = ["", at];
  for (;;) {
    const piece = pieceAt(text, end);
    if (piece === undefined) return { value, end };
    value += piece.value;
    end = piece.end;
  }
};

const pieceAt = (text: string, at: number): Piece | undefined => {
  if (text[at] === "'") return singleQuoted(text, at);
  if (text[at] === '"') return doubleQuoted(text, at);
  // Between two pieces a shell's way to write a quotation mark.
  const escaped = text[at] === "\\" ? text[at + 1] : undefined;
  return escaped === "'" || escaped === '"' ? { value: escaped, end: at + 2 } : undefined;
};

const unclosed = (at: number): never => failParsing(at, "has a quotation mark that is not closed");

/** Everything up to the next mark, as it is. */
const singleQuoted = (text: string, at: number): Piece => {
  const close = text.indexOf("'", at + 1);
  if (close < 0) return unclosed(at);
  if (text[close - 1] === "\\") {
    failParsing(
      close - 1,
      "has a backslash before a single quotation mark",
      'only some programs end the text there; use "…"',
    );
  }
  const value = text.slice(at + 1, close);
  refuseCarriageReturn(value, at + 1);
  return { value, end: close + 1 };
};

/** A shell's escapes, and the \n that every reader of .env files but a shell takes for a line break. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["$", "$"],
  ["n", "\n"],
]);

/** Control characters to Docker Compose and letters to others; a shell takes the line break and the backslash away. */
const DISPUTED = "abfrtv0`\n\r";

/** Where a double-quoted text ends, or has an escape. */
const MARK = /["\\]/g;

const doubleQuoted = (text: string, at: number): Piece => {
  let value = "";
  let from = at + 1;
  for (;;) {
    MARK.lastIndex = from;
    const stop = MARK.exec(text)?.index;
    if (stop === undefined) return unclosed(at);
    const plain = text.slice(from, stop);
    refuseCarriageReturn(plain, from);
    value += plain;
    if (text[stop] === '"') return { value, end: stop + 1 };
    const escaped = text[stop + 1] ?? "";
    if (escaped !== "" && DISPUTED.includes(escaped)) {
      failParsing(
        stop,
        "has a backslash that programs read differently",
        "write \\\\ for a backslash, or use '…'",
      );
    }
    // A backslash before anything else is one to all.
    value += ESCAPES.get(escaped) ?? `\\${escaped}`;
    from = stop + 1 + escaped.length;
  }
};

const refuseCarriageReturn = (plain: string, at: number): void => {
  const found = plain.indexOf("\r");
  if (found >= 0) {
    failParsing(
      at + found,
      "has a line that ends with CR LF within quotation marks",
      "save the file with LF line ends",
    );
  }
};
