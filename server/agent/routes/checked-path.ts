// SPDX-License-Identifier: Apache-2.0
// Validates the path that a request names, for reading and for writing.
import { isHsmPath, MAX_PATH_BYTES } from "../../../hooks/hsm-path.ts";
import { ApiError } from "../../http/errors.ts";
import { METADATA_SEGMENT } from "../storage/path.ts";

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

/** The same for a path that is written. */
export const checkedWritePath = (request: PathRequest): string => checked(request, writePathFault);
