// SPDX-License-Identifier: Apache-2.0
// Parses JSON (RFC 8259) from outside.

/** The value of a JSON text, bytes as UTF-8; undefined for what is none. The parser's error is not kept: it cites the text. */
export const jsonOf = (text: string | Uint8Array): unknown => {
  try {
    return JSON.parse(typeof text === "string" ? text : Buffer.from(text).toString("utf8"));
  } catch {
    return undefined;
  }
};
