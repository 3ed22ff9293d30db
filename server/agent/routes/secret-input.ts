// SPDX-License-Identifier: Apache-2.0
// Validates what a request wants to write, beyond the schemas: key names, values and labels.
import { bytesOfBase64Map } from "../../../hooks/formats.ts";
import type { MetadataPatch } from "../../agent-api/schema.ts";
import { ApiError, type ErrorDetail } from "../../http/errors.ts";
import { MAX_DETAILS, shownField } from "../../http/validation.ts";
import { isOwnLabel, sizeFault } from "../apply-change.ts";
import { isKeyName } from "../storage/path.ts";

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
