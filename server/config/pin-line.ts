// SPDX-License-Identifier: Apache-2.0
// Validates the content of a PIN file: a PIN that is wrong by mistake costs one of the few tries that a token gives.
import type { Parsed } from "./reread-file.ts";

/** The longest PIN that the agent's API takes, in characters; no token is known that takes as many. */
const MAX_PIN_LENGTH = 255;

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decoded = (contents: Uint8Array): string | undefined => {
  try {
    return strict.decode(contents);
  } catch {
    return undefined;
  }
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;

/** Why no PIN can be meant by this text, as a phrase that holds nothing of it; undefined where one can. */
export const whyNoPin = (text: string): string | undefined => {
  if (text === "") return "is empty";
  if (text.startsWith("\ufeff")) return "begins with a byte order mark";
  if (/[\r\n]/.test(text)) return "holds more than one line";
  if (CONTROL.test(text)) return "holds a NUL or another control character";
  if (text.trim() !== text) return "begins or ends with a blank";
  if (text.length > MAX_PIN_LENGTH) return `holds more than ${MAX_PIN_LENGTH} characters`;
  return undefined;
};

/** The PIN that is all of a file; one line break at its end is not part of it. */
export const parsePin = (contents: Uint8Array): Parsed<string> => {
  const text = decoded(contents);
  if (text === undefined) return { ok: false, message: "holds bytes that are not UTF-8" };
  const pin = text.replace(/\r?\n$/, "");
  const message = whyNoPin(pin);
  return message === undefined ? { ok: true, value: pin } : { ok: false, message };
};
