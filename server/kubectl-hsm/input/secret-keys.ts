// SPDX-License-Identifier: Apache-2.0
// Collects the keys that a parser finds, in order; rejects invalid names and duplicates.
import { isSecretKey } from "../../../hooks/formats.ts";
import { isKeyName } from "../../agent/storage/path.ts";
import { failParsing } from "./parse-text.ts";

/** What a key must be, for messages: "a key …". */
export const KEY_RULE =
  'must be letters, digits, ".", "_" and "-", at most 253, not "." or "_metadata", and not begin with ".."';

/** Whether token and Secret can both hold it. */
export const isKeyForBoth = (name: string): boolean => isKeyName(name) && isSecretKey(name);

/** A Map: a key may be called `__proto__`. */
export type Keys = Map<string, Uint8Array>;

/** Adds a value under a key that stands at `at` of the text; refuses what can't be a key, and a second value for one. */
export const addKey = (keys: Keys, key: string, value: string, at: number): void => {
  if (!isKeyForBoth(key)) failParsing(at, "has a key that can't be one", `a key ${KEY_RULE}`);
  if (keys.has(key)) failParsing(at, "sets a key a second time");
  keys.set(key, Buffer.from(value));
};
