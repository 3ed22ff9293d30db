// SPDX-License-Identifier: Apache-2.0
// JSON merge patch, RFC 7386.
import { copy, isObject, type Json, type JsonObject } from "../json.ts";

/** The target with the patch merged in; null removes a key, anything but an object replaces. */
export const mergePatch = (target: Json | undefined, patch: Json): Json => {
  if (!isObject(patch)) return copy(patch);
  const result: JsonObject = isObject(target) ? copy(target) : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
};
