// SPDX-License-Identifier: Apache-2.0
// Parses a file of bearer tokens: one a line, optionally with a name before a colon; blank lines and lines that start with #
// are skipped.
import type { Parsed } from "./reread-file.ts";

/** One token of a file. The name is for logs; callers send the token alone. */
export type FileToken = {
  bearerToken: string;
  name?: string;
  /** Counted from 1. */
  line: number;
};

/** A bearer token as RFC 6750, section 2.1 spells it: no colon is in it. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const NAME = /^[A-Za-z0-9._-]{1,63}$/;

/** Whether `text` is a bearer token and nothing else. */
export const isBearerToken = (text: string): boolean => BEARER_TOKEN.test(text);

/** The tokens of a file, at least one. A message names the line and never the token. */
export const parseTokens = (contents: Buffer): Parsed<readonly [FileToken, ...FileToken[]]> => {
  const tokens: FileToken[] = [];
  for (const [index, text] of contents.toString("utf8").split(/\r?\n/).entries()) {
    const line = index + 1;
    const entry = text.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const colon = entry.indexOf(":");
    const bearerToken = entry.slice(colon + 1);
    if (!isBearerToken(bearerToken)) {
      return { ok: false, message: `holds something in line ${line} that is not a bearer token` };
    }
    const name = colon < 0 ? undefined : entry.slice(0, colon);
    if (name !== undefined && !NAME.test(name)) {
      return {
        ok: false,
        message: `has a name in line ${line} that is not 1 to 63 letters, digits, ".", "_" and "-"`,
      };
    }
    tokens.push({ bearerToken, line, ...(name !== undefined && { name }) });
  }
  const [first, ...rest] = tokens;
  return first === undefined
    ? { ok: false, message: "holds no token" }
    : { ok: true, value: [first, ...rest] };
};
