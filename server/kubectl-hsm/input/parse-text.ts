// SPDX-License-Identifier: Apache-2.0
// Decodes text files as strict UTF-8, and reports parse errors by line and column, never by content.

/** What a text holds, or what is wrong with it; the message completes "<file> …". */
export type ParseResult<T> = { ok: true; value: T } | { ok: false; message: string };

/** Thrown by a reader at the place that it can't take, and caught by `readText` alone. */
class Refusal extends Error {
  readonly at: number | undefined;
  readonly advice: string | undefined;
  constructor(at: number | undefined, message: string, advice: string | undefined) {
    super(message);
    this.at = at;
    this.advice = advice;
  }
}

/**
 * Ends the reading: `message` completes "<file> …" and gets the place behind it, unless the whole text is meant; `advice`
 * says what to do.
 */
export const failParsing = (at: number | undefined, message: string, advice?: string): never => {
  throw new Refusal(at, message, advice);
};

/** `line 3, column 5`: both count from 1, columns in characters. */
const placeIn = (text: string, at: number): string => {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  const column = before.slice(before.lastIndexOf("\n") + 1).replace(/[\uDC00-\uDFFF]/g, "").length + 1;
  return `line ${line}, column ${column}`;
};

/** Reads UTF-8, whose byte order mark goes. The reader may refuse any place of the text. */
export const parseText = <T>(contents: Uint8Array, reader: (text: string) => T): ParseResult<T> => {
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(contents);
  } catch {
    return { ok: false, message: `is not UTF-8 text in ${firstBadPlace(Buffer.from(contents))}` };
  }
  try {
    return { ok: true, value: reader(text) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { at, message, advice } = error;
    const place = at === undefined ? "" : ` in ${placeIn(text, at)}`;
    return { ok: false, message: `${message}${place}${advice === undefined ? "" : `: ${advice}`}` };
  }
};

/** The place of the first byte that is not UTF-8: there the replaced text, as bytes, differs from what it was made of. */
const firstBadPlace = (contents: Buffer): string => {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(contents);
  const again = Buffer.from(text);
  let at = 0;
  while (at < contents.length && contents[at] === again[at]) at += 1;
  const before = contents
    .subarray(0, at)
    .toString("utf8")
    .replace(/^\uFEFF/, "");
  return placeIn(before, before.length);
};
