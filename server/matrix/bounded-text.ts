// SPDX-License-Identifier: Apache-2.0
// Bounds the text of a message, so that a homeserver takes its event, and escapes it for HTML.

/**
 * An event has 65,536 bytes at the most, https://spec.matrix.org/latest/client-server-api/#size-limits. The text is in it twice
 * where it is an edit or has HTML, and a third longer where it is encrypted.
 */
const MAX_BYTES = 20_000;
/** What one UTF-16 unit can take at the most, as it is written in JSON or HTML. */
const MAX_UNIT_BYTES = 6;

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** `text` in HTML. */
export const html = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (character) => HTML[character] ?? "").replaceAll("\n", "<br>");

const sizeOf = (text: string): number => Buffer.byteLength(JSON.stringify(html(text)));

/** `text`, or as many of its first lines as fit and how many were left out; of a first line that is too long its beginning. */
export const bounded = (text: string): string => {
  if (text.length * MAX_UNIT_BYTES <= MAX_BYTES || sizeOf(text) <= MAX_BYTES) return text;
  const lines = text.split("\n");
  const kept: string[] = [];
  let size = 0;
  for (const line of lines) {
    size += sizeOf(`${line}\n`);
    if (size > MAX_BYTES - 100) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  if (kept.length > 0) return `${kept.join("\n")}\n… and ${left} more ${left === 1 ? "line" : "lines"}`;
  return `${[...text].slice(0, Math.floor(MAX_BYTES / MAX_UNIT_BYTES / 2)).join("")}…`;
};
