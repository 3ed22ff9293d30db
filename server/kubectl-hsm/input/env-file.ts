// SPDX-License-Identifier: Apache-2.0
// Parses the files of --from-env-file as kubectl create secret generic does: the value is everything after the =.

import { failParsing, type ParseResult, parseText } from "./parse-text.ts";
import { addKey, type Keys } from "./secret-keys.ts";

/** The names that kubectl takes; it says so of environment variables. */
const NAME = /^[-._A-Za-z][-._A-Za-z0-9]*$/;

/**
 * kubectl's reading, but for three things that it does without a word: a line without = takes its value from the
 * environment, a line of 64 KiB and all that follow it get lost, and a file without keys makes an empty Secret.
 */
export const readEnvFile = (contents: Uint8Array): ParseResult<Keys> =>
  parseText(contents, (text) => {
    const keys: Keys = new Map();
    let start = 0;
    for (const whole of text.split("\n")) {
      readLine(whole.replace(/\r$/, ""), start, keys);
      start += whole.length + 1;
    }
    return keys.size === 0 ? failParsing(undefined, "sets no key") : keys;
  });

const readLine = (whole: string, start: number, keys: Keys): void => {
  const line = whole.replace(/^\p{White_Space}+/u, "");
  if (line === "" || line.startsWith("#")) return;
  const at = start + whole.length - line.length;
  const equals = line.indexOf("=");
  if (equals < 0) {
    failParsing(
      at,
      "has no KEY=value",
      "kubectl would take the value from the environment; it is not read here",
    );
  }
  const key = line.slice(0, equals);
  if (!NAME.test(key)) {
    failParsing(
      at,
      "has a key that kubectl does not take",
      'letters, digits, "_", "-" and ".", the first no digit',
    );
  }
  addKey(keys, key, line.slice(equals + 1), at);
};
