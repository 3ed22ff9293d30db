// SPDX-License-Identifier: Apache-2.0
// Validates what the schemas of a request can't: its path, its precondition, and the names and sizes of keys, values and labels.
import { type Static, Type } from "@sinclair/typebox";
import { bytesOfBase64Map, isHsmPath, MAX_PATH_BYTES } from "../../../hooks/formats.ts";
import type { MetadataPatch } from "../../agent-api/schema.ts";
import { ApiError, type ErrorDetail } from "../../http/errors.ts";
import { MAX_DETAILS, shownField } from "../../http/validation.ts";
import { isOwnLabel, sizeFault } from "../apply-change.ts";
import { isKeyName, isReservedPath, METADATA_SEGMENT } from "../storage/path.ts";
import type { Precondition } from "../store.ts";

/** A request whose route ends in `*`. */
type PathRequest = { params: { "*": string }; raw: { url?: string | undefined } };

const SHAPE = `segments of letters, digits, ".", "_" and "-" joined by "/", none of them "." or "..", at most ${MAX_PATH_BYTES} bytes`;

/** What is wrong with a path; undefined where nothing is. */
const pathFault = (candidate: string): string | undefined => (isHsmPath(candidate) ? undefined : SHAPE);

/** What keeps a secret from being written at a path: also that the objects of another one's metadata have its label. */
export const writePathFault = (candidate: string): string | undefined =>
  candidate.split("/").at(-1) === METADATA_SEGMENT
    ? `its last segment is "${METADATA_SEGMENT}", which is where the metadata of a secret is`
    : pathFault(candidate);

/** An encoded slash is none: what looks for slashes on the way, such as a proxy's rules, does not see it. */
const ENCODED_SLASH = /%2f/i;

const checked = ({ params, raw }: PathRequest, faultOf: (path: string) => string | undefined): string => {
  const candidate = params["*"];
  const fault = ENCODED_SLASH.test(raw.url?.split("?")[0] ?? "") ? SHAPE : faultOf(candidate);
  if (fault === undefined) return candidate;
  throw new ApiError("INVALID_REQUEST", { details: [{ field: "path", message: fault }] });
};

/** A path of the request. Throws INVALID_REQUEST that says what a path looks like. */
export const checkedPath = (request: PathRequest): string => checked(request, pathFault);

/** The same for a path that is written. Throws FORBIDDEN for one that is the agent's own. */
export const checkedWritePath = (request: PathRequest): string => {
  const path = checked(request, writePathFault);
  refuseReserved([path]);
  return path;
};

/** Throws FORBIDDEN that names the first of the paths that is the agent's own. */
export const refuseReserved = (paths: readonly string[]): void => {
  const reserved = paths.find(isReservedPath);
  if (reserved === undefined) return;
  throw new ApiError("FORBIDDEN", { message: `${reserved} is kept by the agent itself; use another path` });
};

const KEY_NAME =
  'is not a name of 1 to 253 letters, digits, ".", "_" and "-", or it is ".", ".." or "_metadata"';
const OWN_LABEL = 'is a label that the agent keeps itself, as all that start with "sync."';

/** What is wrong with a key that `field` names; at most one fault. */
export const keyFault = (field: string, key: string): ErrorDetail[] =>
  isKeyName(key) ? [] : [{ field, message: KEY_NAME }];

/** Which of the keys of `field` can't be one. */
export const keyFaults = (field: string, data: Readonly<Record<string, unknown>>): ErrorDetail[] =>
  Object.keys(data).flatMap((key) => keyFault(shownField(`${field}.${key}`), key));

/** Which of the labels are not the writer's to set. */
export const labelFaults = (field: string, metadata: MetadataPatch | undefined): ErrorDetail[] =>
  Object.keys(metadata?.labels ?? {})
    .filter(isOwnLabel)
    .map((name) => ({ field: shownField(`${field}.labels.${name}`), message: OWN_LABEL }));

/** As many faults as are of use to a caller. */
export const firstFaults = (faults: readonly ErrorDetail[]): ErrorDetail[] => faults.slice(0, MAX_DETAILS);

/** Throws INVALID_REQUEST with the first faults, where there are any. */
export const refuseFaults = (faults: readonly ErrorDetail[]): void => {
  if (faults.length > 0) throw new ApiError("INVALID_REQUEST", { details: firstFaults(faults) });
};

/** What is wrong with the size of the values together, told by their base64; undefined where nothing is. */
export const encodedSizeFault = (data: Readonly<Record<string, string | null>>): string | undefined =>
  sizeFault(bytesOfBase64Map(data));

/** Throws SECRET_TOO_LARGE where the values are more than a secret may have. */
export const refuseOversize = (data: Readonly<Record<string, string | null>>): void => {
  const message = encodedSizeFault(data);
  if (message !== undefined) throw new ApiError("SECRET_TOO_LARGE", { message });
};

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
