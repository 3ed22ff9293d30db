// SPDX-License-Identifier: Apache-2.0
// The wording of single faults, as kube-apiserver's field errors print them.
import type { Cause } from "../api-status.ts";
import { canonical, type Json } from "../json.ts";

function shown(value: Json): string {
  return typeof value === "object" && value !== null ? canonical(value) : JSON.stringify(value);
}

export function invalidValue(field: string, value: Json, why: string): Cause {
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${shown(value)}: ${why}` };
}

export function requiredValue(field: string, why = ""): Cause {
  return { reason: "FieldValueRequired", field, message: why ? `Required value: ${why}` : "Required value" };
}

export function unsupportedValue(field: string, value: Json, supported: Json[]): Cause {
  const list = supported.map(shown).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${shown(value)}: supported values: ${list}`,
  };
}

export function duplicateValue(field: string, value: Json): Cause {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${shown(value)}` };
}

export function forbiddenValue(field: string, why: string): Cause {
  return { reason: "FieldValueForbidden", field, message: `Forbidden: ${why}` };
}

/** @param limit in bytes */
export function tooLong(field: string, limit: number): Cause {
  return { reason: "FieldValueTooLong", field, message: `Too long: may not be more than ${limit} bytes` };
}

export function tooMany(field: string, count: number, limit: number): Cause {
  return {
    reason: "FieldValueTooMany",
    field,
    message: `Too many: ${count}: must have at most ${limit} items`,
  };
}

export function wrongType(field: string, expected: string, actual: string): Cause {
  return {
    reason: "FieldValueTypeInvalid",
    field,
    message: `Invalid value: "${actual}": ${field} in body must be of type ${expected}: "${actual}"`,
  };
}
