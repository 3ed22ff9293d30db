// SPDX-License-Identifier: Apache-2.0
// Sanitizes text from outside for a message, a chat or a spec: one line, no control characters, bounded length.

/** Control characters and those that turn the direction of writing, which could make a line read as another. */
const UNSHOWABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** `text` on one line, without characters that are not to be seen. */
export const oneLine = (text: string): string => text.toWellFormed().replaceAll(UNSHOWABLE, " ").trim();

/** `text` on one line of at most `max` characters. */
export const shorten = (text: string, max: number): string => {
  const line = oneLine(text);
  const characters = [...line];
  return characters.length <= max ? line : `${characters.slice(0, max - 1).join("")}…`;
};
