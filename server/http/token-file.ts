// SPDX-License-Identifier: Apache-2.0
// What a token file holds: bearer tokens, one a line; blank lines and lines that start with # are skipped.
import type { Parsed } from "../config/reread-file.ts";

/** A bearer token as RFC 6750, section 2.1 spells it. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** The tokens of a file, at least one. A message names the line and never the token. */
export const parseTokens = (contents: Buffer): Parsed<readonly [string, ...string[]]> => {
  const tokens: string[] = [];
  for (const [index, line] of contents.toString("utf8").split(/\r?\n/).entries()) {
    const token = line.trim();
    if (token === "" || token.startsWith("#")) continue;
    if (!BEARER_TOKEN.test(token))
      return { ok: false, message: `holds something in line ${index + 1} that is not a bearer token` };
    tokens.push(token);
  }
  const [first, ...rest] = tokens;
  return first === undefined
    ? { ok: false, message: "holds no token" }
    : { ok: true, value: [first, ...rest] };
};
