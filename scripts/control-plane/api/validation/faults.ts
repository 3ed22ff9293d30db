// SPDX-License-Identifier: Apache-2.0
// The wording of single faults, as kube-apiserver's field errors print them.
import type { Cause } from "../api-status.ts";
import { canonical, type Json } from "../json.ts";

const shown = (value: Json): string =>
  typeof value === "object" && value !== null ? canonical(value) : JSON.stringify(value);

export const invalidValue = (field: string, value: Json, why: string): Cause => ({
  reason: "FieldValueInvalid",
  field,
  message: `Invalid value: ${shown(value)}: ${why}`,
});

export const requiredValue = (field: string, why = ""): Cause => ({
  reason: "FieldValueRequired",
  field,
  message: why ? `Required value: ${why}` : "Required value",
});

export const unsupportedValue = (field: string, value: Json, supported: Json[]): Cause => {
  const list = supported.map(shown).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${shown(value)}: supported values: ${list}`,
  };
};

export const duplicateValue = (field: string, value: Json): Cause => ({
  reason: "FieldValueDuplicate",
  field,
  message: `Duplicate value: ${shown(value)}`,
});

export const forbiddenValue = (field: string, why: string): Cause => ({
  reason: "FieldValueForbidden",
  field,
  message: `Forbidden: ${why}`,
});

/** @param limit in bytes */
export const tooLong = (field: string, limit: number): Cause => ({
  reason: "FieldValueTooLong",
  field,
  message: `Too long: may not be more than ${limit} bytes`,
});

export const tooMany = (field: string, count: number, limit: number): Cause => ({
  reason: "FieldValueTooMany",
  field,
  message: `Too many: ${count}: must have at most ${limit} items`,
});

export const wrongType = (field: string, expected: string, actual: string): Cause => ({
  reason: "FieldValueTypeInvalid",
  field,
  message: `Invalid value: "${actual}": ${field} in body must be of type ${expected}: "${actual}"`,
});
