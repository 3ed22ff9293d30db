// SPDX-License-Identifier: Apache-2.0
// Compares If-None-Match of a reading request with the entity tag.

/** The tags of the header, for the weak comparison that it asks for (RFC 9110, section 13.1.2); `*` is one of them. */
export const tagsOf = (ifNoneMatch: string | undefined): string[] =>
  ifNoneMatch?.split(",").map((one) => one.trim().replace(/^W\//, "")) ?? [];
