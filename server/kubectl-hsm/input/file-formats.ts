// SPDX-License-Identifier: Apache-2.0
// .env and JSON files as keys and values. Both are refused where anything in them is not understood; a message has the
// place and never the content.
import { basename } from "node:path";
import { parse } from "dotenv";

/** Keys and their values, or what is wrong with the text; the message completes "<file> …". */
export type ParsedKeys = { ok: true; keys: Map<string, Uint8Array> } | { ok: false; message: string };

export type FileFormat = "env" | "json" | "raw";

/** `.env`, `.env.production`, `shop.env` and `shop.json`, by name alone. */
export const formatOfName = (path: string): FileFormat => {
  const name = basename(path).toLowerCase();
  if (name === ".env" || name.startsWith(".env.") || name.endsWith(".env")) return "env";
  return name.endsWith(".json") ? "json" : "raw";
};

/** The text of a file, which must be UTF-8; its byte order mark goes. */
export const utf8 = (contents: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(contents);
  } catch {
    return undefined;
  }
};

const NOT_UTF8 = { ok: false, message: "is not UTF-8 text" } as const;
const QUOTES = ["'", '"', "`"];

/**
 * dotenv leaves out what it does not understand. So that no line gets lost, it is given one assignment at a time: a line,
 * and those that follow as long as its quotation mark is open.
 */
export const parseEnv = (contents: Uint8Array): ParsedKeys => {
  const text = utf8(contents);
  if (text === undefined) return NOT_UTF8;
  const keys = new Map<string, Uint8Array>();
  let pending: { line: number; text: string } | undefined;
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    if (pending === undefined && (line.trim() === "" || line.trimStart().startsWith("#"))) continue;
    pending =
      pending === undefined
        ? { line: index + 1, text: line }
        : { ...pending, text: `${pending.text}\n${line}` };
    const entries = Object.entries(parse(pending.text));
    const [entry] = entries;
    if (entry === undefined) return { ok: false, message: `has no KEY=value in line ${pending.line}` };
    // The next assignment was taken in while the quotation mark was open.
    if (entries.length > 1) break;
    const [key, value] = entry;
    if (isOpen(pending.text, value)) continue;
    if (keys.has(key)) return { ok: false, message: `sets a key a second time in line ${pending.line}` };
    keys.set(key, Buffer.from(value));
    pending = undefined;
  }
  if (pending !== undefined)
    return {
      ok: false,
      message: `has a quotation mark in line ${pending.line} that is not closed, or text behind it`,
    };
  return keys.size === 0 ? { ok: false, message: "sets no key" } : { ok: true, keys };
};

/** Whether the quotation mark that the value begins with is still there: dotenv takes it off where it finds the closing one. */
const isOpen = (assignment: string, value: string): boolean => {
  const mark = assignment.replace(/^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*/, "").charAt(0);
  return QUOTES.includes(mark) && value.startsWith(mark);
};

/** An object of keys. Numbers, true and false become their text; what has no one text is refused. */
export const keysOfJson = (value: unknown, where = ""): ParsedKeys => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { ok: false, message: `must be a JSON object of keys and values${where}` };
  const keys = new Map<string, Uint8Array>();
  for (const [index, [key, inner]] of Object.entries(value).entries()) {
    if (typeof inner === "object")
      return {
        ok: false,
        message: `holds something else than text as value ${index + 1}${where}; to store the file as it is, give it a key: KEY=FILE`,
      };
    keys.set(key, Buffer.from(String(inner)));
  }
  return keys.size === 0 ? { ok: false, message: `holds no key${where}` } : { ok: true, keys };
};

export const parseJson = (
  contents: Uint8Array,
): { ok: true; value: unknown } | { ok: false; message: string } => {
  const text = utf8(contents);
  if (text === undefined) return NOT_UTF8;
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, message: "is not JSON" };
  }
};
