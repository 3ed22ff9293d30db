// SPDX-License-Identifier: Apache-2.0
// Parses JSON (RFC 8259) without loss: numbers keep their text, duplicate keys and lone surrogates are rejected, and a key may
// be called __proto__. JSON.parse rounds, lets the last of two keys win, and names no line.
import { failParsing } from "./parse-text.ts";

/** A value with the place where it begins. */
export type Json = { at: number } & (
  | { kind: "object"; members: Map<string, Member> }
  | { kind: "array"; items: Json[] }
  | { kind: "text"; text: string }
  /** As it is written. */
  | { kind: "number"; text: string }
  | { kind: "word"; text: "true" | "false" | "null" }
);

export type Member = { keyAt: number; value: Json };

type Cursor = { text: string; at: number };

/** Deeper than anything that this program reads. */
const MAX_DEPTH = 64;

/** The one value of a text; a reader for `readText`. */
export const readJson = (text: string): Json => {
  const cursor: Cursor = { text, at: 0 };
  const value = valueAt(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < text.length) failParsing(cursor.at, "is not JSON: it goes on behind its end");
  return value;
};

const WORDS = ["true", "false", "null"] as const;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

const valueAt = (cursor: Cursor, depth: number): Json => {
  skipSpace(cursor);
  const { text, at } = cursor;
  if (depth > MAX_DEPTH) failParsing(at, `is nested deeper than ${MAX_DEPTH} levels`);
  if (text[at] === "{") return { kind: "object", at, members: membersAt(cursor, depth) };
  if (text[at] === "[") return { kind: "array", at, items: itemsAt(cursor, depth) };
  if (text[at] === '"') return { kind: "text", at, text: textAt(cursor) };
  const word = WORDS.find((one) => text.startsWith(one, at));
  if (word !== undefined) {
    cursor.at += word.length;
    return { kind: "word", at, text: word };
  }
  NUMBER.lastIndex = at;
  const number = NUMBER.exec(text)?.[0];
  if (number === undefined) return unexpected(cursor, "a value");
  cursor.at += number.length;
  return { kind: "number", at, text: number };
};

const membersAt = (cursor: Cursor, depth: number): Map<string, Member> => {
  const members = new Map<string, Member>();
  list(cursor, "}", () => {
    const keyAt = cursor.at;
    if (cursor.text[keyAt] !== '"') unexpected(cursor, "a key in double quotation marks");
    const key = textAt(cursor);
    if (members.has(key)) failParsing(keyAt, "sets a key a second time");
    skipSpace(cursor);
    if (!take(cursor, ":")) unexpected(cursor, "a colon");
    members.set(key, { keyAt, value: valueAt(cursor, depth + 1) });
  });
  return members;
};

const itemsAt = (cursor: Cursor, depth: number): Json[] => {
  const items: Json[] = [];
  list(cursor, "]", () => items.push(valueAt(cursor, depth + 1)));
  return items;
};

/** From the opening bracket to behind the closing one; `one` reads what stands between commas. */
const list = (cursor: Cursor, close: string, one: () => void): void => {
  cursor.at += 1;
  skipSpace(cursor);
  if (take(cursor, close)) return;
  for (;;) {
    skipSpace(cursor);
    one();
    skipSpace(cursor);
    if (take(cursor, close)) return;
    if (!take(cursor, ",")) unexpected(cursor, `a comma or ${close}`);
  }
};

/** Where plain text within quotation marks ends: also before a control character, of which the first 32 are not allowed. */
const MARK = /["\\]|[^ -\uFFFF]/g;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

const textAt = (cursor: Cursor): string => {
  const { text, at: start } = cursor;
  let value = "";
  cursor.at += 1;
  for (;;) {
    MARK.lastIndex = cursor.at;
    const stop = MARK.exec(text)?.index;
    if (stop === undefined) {
      return failParsing(start, "is not JSON: it has a quotation mark that is not closed");
    }
    value += text.slice(cursor.at, stop);
    cursor.at = stop;
    if (take(cursor, '"')) break;
    value += escapeAt(cursor);
  }
  if (!value.isWellFormed()) {
    failParsing(start, "has a text with half of a surrogate pair", "no bytes of UTF-8 stand for it");
  }
  return value;
};

const escapeAt = (cursor: Cursor): string => {
  const { text, at } = cursor;
  if (text[at] !== "\\") return failParsing(at, "is not JSON: it has a control character in a text");
  const name = text[at + 1] ?? "";
  const hex = name === "u" ? text.slice(at + 2, at + 6) : "";
  const value = /^[0-9A-Fa-f]{4}$/.test(hex)
    ? String.fromCharCode(Number.parseInt(hex, 16))
    : ESCAPES.get(name);
  if (value === undefined) return failParsing(at, "is not JSON: it has a backslash that escapes nothing");
  cursor.at += 2 + hex.length;
  return value;
};

const skipSpace = (cursor: Cursor): void => {
  while (" \t\n\r".includes(cursor.text[cursor.at] ?? "end")) cursor.at += 1;
};

const take = (cursor: Cursor, character: string): boolean => {
  if (cursor.text[cursor.at] !== character) return false;
  cursor.at += 1;
  return true;
};

const unexpected = ({ text, at }: Cursor, wanted: string): never =>
  failParsing(
    at,
    `is not JSON: ${at < text.length ? "something else" : "it ends"} where ${wanted} should be`,
  );

/** The same as plain values, for a schema: objects without a prototype, and numbers as JavaScript has them. */
export const plainJson = (json: Json): unknown => {
  if (json.kind === "array") return json.items.map(plainJson);
  if (json.kind === "number") return Number(json.text);
  if (json.kind === "word") return json.text === "null" ? null : json.text === "true";
  if (json.kind === "text") return json.text;
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, { value }] of json.members) plain[key] = plainJson(value);
  return plain;
};
