// SPDX-License-Identifier: Apache-2.0
// Parses If-Match and If-None-Match of a write into the precondition that the store checks.
import { type Static, Type } from "@sinclair/typebox";
import { ApiError, type ErrorDetail } from "../../http/errors.ts";
import type { Precondition } from "../store.ts";

/** The headers of a conditional write. */
export const ConditionHeaders = Type.Object({
  "if-match": Type.Optional(Type.String({ maxLength: 8192 })),
  "if-none-match": Type.Optional(Type.String({ maxLength: 8192 })),
});

/** One entity tag, or nothing, up to the next comma (RFC 9110, sections 8.8.3 and 5.6.1.2). */
const ELEMENT = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y;

type EntityTag = { tag: string; weak: boolean };

/** The tags of a header, undefined where it is malformed. A header without a tag is malformed as well: it names nothing. */
const parseTags = (header: string): EntityTag[] | "*" | undefined => {
  if (header.trim() === "*") return "*";
  const tags: EntityTag[] = [];
  ELEMENT.lastIndex = 0;
  while (ELEMENT.lastIndex < header.length) {
    const found = ELEMENT.exec(header);
    if (found === null) return undefined;
    const [, weak, tag] = found;
    if (tag !== undefined) tags.push({ tag, weak: weak !== undefined });
  }
  return tags.length === 0 ? undefined : tags;
};

/**
 * What the request's headers ask of the secret. If-Match compares strongly, so that a weak tag matches nothing (RFC 9110,
 * section 13.1.1); If-None-Match compares weakly (section 13.1.2). Throws INVALID_REQUEST for a header that is malformed.
 */
export const precondition = ({ headers }: { headers: Static<typeof ConditionHeaders> }): Precondition => {
  const details: ErrorDetail[] = [];
  const read = (name: "if-match" | "if-none-match"): EntityTag[] | "*" | undefined => {
    const header = headers[name];
    if (header === undefined) return undefined;
    const tags = parseTags(header);
    if (tags === undefined) {
      details.push({ field: `headers.${name}`, message: 'is neither "*" nor a list of quoted entity tags' });
    }
    return tags;
  };
  const match = read("if-match");
  const noneMatch = read("if-none-match");
  if (details.length > 0) throw new ApiError("INVALID_REQUEST", { details });
  return {
    ...(match !== undefined && {
      ifMatch: match === "*" ? match : match.filter(({ weak }) => !weak).map(({ tag }) => tag),
    }),
    ...(noneMatch !== undefined && {
      ifNoneMatch: noneMatch === "*" ? noneMatch : noneMatch.map(({ tag }) => tag),
    }),
  };
};
