// SPDX-License-Identifier: Apache-2.0
// Parses a literal of the command line, KEY=VALUE, as kubectl create secret generic does: the value is everything after the
// first =.

import type { ParseResult } from "./parse-text.ts";
import { isKeyForBoth, KEY_RULE } from "./secret-keys.ts";

/** The message completes "--from-literal number 1 …" or "--from-literal number 1: …". */
export const readLiteral = (literal: string): ParseResult<{ key: string; value: Uint8Array }> => {
  const at = literal.indexOf("=");
  if (at < 1) return { ok: false, message: " must be KEY=VALUE" };
  const key = literal.slice(0, at);
  if (!isKeyForBoth(key)) return { ok: false, message: `: a key ${KEY_RULE}` };
  const value = literal.slice(at + 1);
  // What Node puts in place of each byte of an argument that is not UTF-8.
  if (value.includes("\uFFFD")) {
    return { ok: false, message: " holds bytes that are not UTF-8: give them with --from-file KEY=FILE" };
  }
  return { ok: true, value: { key, value: Buffer.from(value) } };
};
