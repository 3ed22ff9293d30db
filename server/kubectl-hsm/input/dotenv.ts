// SPDX-License-Identifier: Apache-2.0
// Parses .env files with a scanner of our own: every library guesses where it should reject.
import { readQuoted } from "./dotenv-quotes.ts";
import { failParsing, type ParseResult, parseText } from "./parse-text.ts";
import { addKey, type Keys } from "./secret-keys.ts";

/**
 * A .env file, whose lines Docker Compose, Node and shells read differently. What they agree on is taken; where they
 * differ it is the reading that keeps the whole value, as docs/kubectl-hsm.md has it in a table, or a refusal.
 * No library does that: dotenv and util.parseEnv cut `p@ss#word` at the `#`, leave out lines that they do not understand,
 * and let the last of two values win, none with a word.
 */
export const readDotenv = (contents: Uint8Array): ParseResult<Keys> =>
  parseText(contents, (text) => {
    const stray = text.search(/\r(?!\n|$)/);
    if (stray >= 0) {
      failParsing(stray, "has a carriage return that ends no line", "end lines with LF or CR LF");
    }
    const keys: Keys = new Map();
    let at = 0;
    while (at < text.length) {
      const start = skipBlanks(text, at);
      const blank = start === lineEnd(text, at) || text[start] === "#";
      at = nextLine(text, blank ? at : readAssignment(text, start, keys));
    }
    return keys.size === 0 ? failParsing(undefined, "sets no key") : keys;
  });

/** `export` is what shells need. A colon is YAML's, which Docker Compose takes too; it needs white space and a value. */
const ASSIGNMENT = /(?:export +|(?!export[ \t]))([A-Za-z0-9._-]+)(?:[ \t]*=|:(?=[ \t]))/y;

/** Adds the key and value that begin at `start`; says where the value ends. */
const readAssignment = (text: string, start: number, keys: Keys): number => {
  ASSIGNMENT.lastIndex = start;
  const found = ASSIGNMENT.exec(text);
  if (found === null) return failParsing(start, "has no KEY=value");
  const [whole, key = ""] = found;
  const behind = start + whole.length;
  const at = skipBlanks(text, behind);
  if (whole.endsWith(":") && at === lineEnd(text, at)) failParsing(start, "has no KEY=value");
  const { value, end } = readValue(text, at, at > behind);
  addKey(keys, key, value, start + whole.lastIndexOf(key));
  return end;
};

/** A value, and where it ends: behind it there is at most a comment. */
type Value = { value: string; end: number };

const readValue = (text: string, at: number, afterBlank: boolean): Value => {
  const first = text[at];
  if (first === "'" || first === '"') {
    const { value, end } = readQuoted(text, at);
    refuseTextBehind(text, end);
    return { value, end };
  }
  if (first === "`") {
    failParsing(
      at,
      "has a value that begins with a backquote",
      "only some programs take it for quotation; use ' or \"",
    );
  }
  if (first === "#" && afterBlank) {
    failParsing(
      at,
      "has a # between the = and any value",
      'to some programs it is the value: write "" or quote it',
    );
  }
  return readUnquoted(text, at);
};

/** The line as it is, without a comment and the blanks at its end. */
const readUnquoted = (text: string, at: number): Value => {
  const end = lineEnd(text, at);
  const line = text.slice(at, end);
  const hash = line.search(/(?<=\p{White_Space})#/u);
  if (hash >= 0 && line[hash - 1] !== " ") {
    failParsing(
      at + hash,
      "has a # behind white space that is not a space",
      "quote the value, or put a space there",
    );
  }
  const kept = hash < 0 ? line : line.slice(0, hash);
  if (hash >= 0 && QUOTES.some((mark) => isOpen(kept, mark) && line.includes(mark, hash))) {
    failParsing(
      at + hash,
      "has a # between two quotation marks",
      "quote the whole value, or take the comment off",
    );
  }
  const value = kept.slice(0, lastNonBlank(kept));
  const odd = /^\p{White_Space}/u.test(value) ? 0 : /\p{White_Space}$/u.test(value) ? value.length - 1 : -1;
  if (odd >= 0) {
    failParsing(
      at + odd,
      "has white space other than spaces and tabs beside a value",
      "quote the value if it is part of it",
    );
  }
  return { value, end };
};

const QUOTES = ["'", '"'];

/** Whether a shell would still wait for the mark's second one. */
const isOpen = (text: string, mark: string): boolean => text.split(mark).length % 2 === 0;

/** Behind a closing quotation mark there may be blanks, and behind blanks a comment. */
const refuseTextBehind = (text: string, end: number): void => {
  const at = skipBlanks(text, end);
  if (at === lineEnd(text, end) || (text[at] === "#" && at > end)) return;
  const advice = text[at] === "#" ? "before a comment there must be a space" : "quote all of the value";
  failParsing(at, "has text behind a closing quotation mark", advice);
};

const isBlank = (character: string | undefined): boolean => character === " " || character === "\t";

const skipBlanks = (text: string, from: number): number => {
  let at = from;
  while (isBlank(text[at])) at += 1;
  return at;
};

const lastNonBlank = (text: string): number => {
  let end = text.length;
  while (isBlank(text[end - 1])) end -= 1;
  return end;
};

/** Where the line that holds `at` ends, before its line break. */
const lineEnd = (text: string, at: number): number => {
  const feed = text.indexOf("\n", at);
  const end = feed < 0 ? text.length : feed;
  return end > at && text[end - 1] === "\r" ? end - 1 : end;
};

/** Where the line begins that follows the one that holds `at`. */
const nextLine = (text: string, at: number): number => {
  const feed = text.indexOf("\n", at);
  return feed < 0 ? text.length : feed + 1;
};
