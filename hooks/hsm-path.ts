// SPDX-License-Identifier: Apache-2.0
// Validates a path on the token: segments of [A-Za-z0-9._-]+ joined by slashes, at most 255 bytes.

/** The longest path, in bytes; all its characters are ASCII. */
export const MAX_PATH_BYTES = 255;

/** One segment as a regular expression source; `.` and `..` are refused beside it. */
const SEGMENT = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9._-]+";

/** The whole path as a regular expression source, also used in the CRD (RE2 has no lookahead: see PATH_PATTERN_RE2). */
const PATH_PATTERN = `^${SEGMENT}(?:/${SEGMENT})*$`;

/** PATH_PATTERN without lookahead, for Kubernetes' RE2; the `.` and `..` segments are refused by a CEL rule there. */
export const PATH_PATTERN_RE2 = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$";

const path = new RegExp(PATH_PATTERN);

/** Whether `candidate` is a well-formed path. */
export const isHsmPath = (candidate: string): boolean =>
  candidate.length <= MAX_PATH_BYTES && path.test(candidate);
