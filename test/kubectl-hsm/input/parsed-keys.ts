// SPDX-License-Identifier: Apache-2.0
// Formats the result of a parser of kubectl-hsm for tables: every byte of every value, or its error.

import type { ParseResult } from "../../../server/kubectl-hsm/input/parse-text.ts";
import type { Keys } from "../../../server/kubectl-hsm/input/secret-keys.ts";

/** Values as bytes in hex, so that nothing of a comparison is lenient. */
export const bytesOf = (keys: Iterable<readonly [string, Uint8Array | string]>): [string, string][] =>
  [...keys].map(([key, value]) => [key, Buffer.from(value).toString("hex")]);

/** The keys with their bytes, or the message. */
export const told = (read: ParseResult<Keys>): [string, string][] | string =>
  read.ok ? bytesOf(read.value) : read.message;

/** A text as the name of a test: TAP breaks at some characters. */
export const shown = (text: string): string =>
  JSON.stringify(text).replace(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
