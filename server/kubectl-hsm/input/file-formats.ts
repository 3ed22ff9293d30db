// SPDX-License-Identifier: Apache-2.0
// Chooses a file's format by its name, and parses JSON into keys and values.
import { basename } from "node:path";
import { type Json, readJson } from "./json.ts";
import { failParsing, type ParseResult, parseText } from "./parse-text.ts";
import { addKey, type Keys } from "./secret-keys.ts";

export type FileFormat = "env" | "json" | "raw";

/** `.env`, `.env.production`, `shop.env` and `shop.json`, by name alone. */
export const formatOfName = (path: string): FileFormat => {
  const name = basename(path).toLowerCase();
  if (name === ".env" || name.startsWith(".env.") || name.endsWith(".env")) return "env";
  return name.endsWith(".json") ? "json" : "raw";
};

/** A JSON file that holds the keys and values of one secret. */
export const readJsonKeys = (contents: Uint8Array): ParseResult<Keys> =>
  parseText(contents, (text) => keysOfJson(readJson(text)));

/** An object of keys. Numbers, true and false are the text as it is written; what has no one text is refused. */
export const keysOfJson = (json: Json, where = ""): Keys => {
  if (json.kind !== "object") {
    return failParsing(json.at, `must be a JSON object of keys and values${where}, and is none`);
  }
  const keys: Keys = new Map();
  for (const [key, { keyAt, value }] of json.members) {
    if (
      value.kind === "object" ||
      value.kind === "array" ||
      (value.kind === "word" && value.text === "null")
    ) {
      return failParsing(
        value.at,
        `holds something else than text as value ${keys.size + 1}${where}`,
        "to store the file as it is, give it a key: KEY=FILE",
      );
    }
    addKey(keys, key, value.text, keyAt);
  }
  return keys.size === 0 ? failParsing(where === "" ? undefined : json.at, `holds no key${where}`) : keys;
};
