// SPDX-License-Identifier: Apache-2.0
// Checks a value against a structural schema; the messages are kube-apiserver's.
import type { Cause } from "../api-status.ts";
import { canonical, equal, isObject, type Json } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import {
  duplicateValue,
  invalidValue,
  requiredValue,
  tooLong,
  tooMany,
  unsupportedValue,
  wrongType,
} from "./faults.ts";
import { formatFault } from "./formats.ts";

const typeOf = (value: Json): string => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
};

const hasType = (value: Json, type: string): boolean => {
  const actual = typeOf(value);
  return actual === type || (type === "number" && actual === "integer");
};

const typeFault = (value: Json, schema: Schema, path: string): Cause | undefined => {
  const { type, format, "x-kubernetes-int-or-string": isIntOrString } = schema;
  const actual = typeOf(value);
  if (isIntOrString && value !== null) {
    const fits = ["integer", "string", "number"].includes(actual) || format === "quantity";
    return fits ? undefined : wrongType(path, "integer,string", actual);
  }
  return type === undefined || hasType(value, type) ? undefined : wrongType(path, type, actual);
};

/** The faults of a value; `path` is where it is, as messages show it. */
export const schemaFaults = (value: Json, schema: Schema, path: string): Cause[] => {
  if (value === null && schema.nullable) return [];
  const fault = typeFault(value, schema, path);
  if (fault) return [fault];
  if (value === null) return [];
  const faults: Cause[] = [];
  if (schema.enum && !schema.enum.some((item) => equal(item, value))) {
    faults.push(unsupportedValue(path, value, schema.enum));
  }
  if (typeof value === "number") faults.push(...numberFaults(value, schema, path));
  if (typeof value === "string") faults.push(...stringFaults(value, schema, path));
  if (Array.isArray(value)) faults.push(...listFaults(value, schema, path));
  if (isObject(value)) faults.push(...objectFaults(value, schema, path));
  faults.push(...combinationFaults(value, schema, path));
  return faults;
};

const numberFaults = (value: number, schema: Schema, path: string): Cause[] => {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const faults: Cause[] = [];
  const add = (text: string) => faults.push(invalidValue(path, value, `${path} in body should be ${text}`));
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    add(exclusiveMinimum ? `greater than ${minimum}` : `greater than or equal to ${minimum}`);
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    add(exclusiveMaximum ? `less than ${maximum}` : `less than or equal to ${maximum}`);
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) add(`a multiple of ${multipleOf}`);
  const format = formatFault(value, schema, path);
  return format ? [...faults, format] : faults;
};

const stringFaults = (value: string, schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  const length = [...value].length;
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    faults.push(tooLong(path, schema.maxLength));
  }
  if (schema.minLength !== undefined && length < schema.minLength) {
    faults.push(
      invalidValue(path, value, `${path} in body should be at least ${schema.minLength} chars long`),
    );
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
    faults.push(invalidValue(path, value, `${path} in body should match '${schema.pattern}'`));
  }
  const format = formatFault(value, schema, path);
  return format ? [...faults, format] : faults;
};

const listFaults = (value: Json[], schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  const { minItems, maxItems, items } = schema;
  if (maxItems !== undefined && value.length > maxItems) faults.push(tooMany(path, value.length, maxItems));
  if (minItems !== undefined && value.length < minItems) {
    faults.push(invalidValue(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  for (const [index, item] of value.entries()) {
    if (items) faults.push(...schemaFaults(item, items, `${path}[${index}]`));
  }
  return [...faults, ...duplicateFaults(value, schema, path)];
};

const duplicateFaults = (value: Json[], schema: Schema, path: string): Cause[] => {
  const listType = schema["x-kubernetes-list-type"];
  if (listType !== "set" && listType !== "map") return [];
  const seen = new Set<string>();
  const faults: Cause[] = [];
  value.forEach((item, index) => {
    let identity: Json = item;
    if (listType === "map" && isObject(item)) {
      const keys = schema["x-kubernetes-list-map-keys"] ?? [];
      identity = Object.fromEntries(
        keys.filter((key) => item[key] !== undefined).map((key) => [key, item[key]]),
      );
    }
    const text = canonical(identity);
    if (seen.has(text)) faults.push(duplicateValue(`${path}[${index}]`, identity));
    seen.add(text);
  });
  return faults;
};

const objectFaults = (value: { [key: string]: Json | undefined }, schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  const below = (name: string) => (path === "" ? name : `${path}.${name}`);
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) faults.push(requiredValue(below(name)));
  }
  const count = Object.keys(value).length;
  const { minProperties, maxProperties, additionalProperties } = schema;
  if (maxProperties !== undefined && count > maxProperties) faults.push(tooMany(path, count, maxProperties));
  if (minProperties !== undefined && count < minProperties) {
    faults.push(
      invalidValue(path, count, `${path} in body should have at least ${minProperties} properties`),
    );
  }
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const property = schema.properties?.[name];
    if (property) faults.push(...schemaFaults(item, property, below(name)));
    else if (typeof additionalProperties === "object") {
      faults.push(...schemaFaults(item, additionalProperties, below(name)));
    }
  }
  return faults;
};

const combinationFaults = (value: Json, schema: Schema, path: string): Cause[] => {
  const faults: Cause[] = [];
  const fits = (candidate: Schema) => schemaFaults(value, candidate, path).length === 0;
  const shown = typeof value === "object" ? "" : value;
  for (const part of schema.allOf ?? []) faults.push(...schemaFaults(value, part, path));
  if (schema.anyOf && !schema.anyOf.some(fits)) {
    faults.push(invalidValue(path, shown, `"${path}" must validate at least one schema (anyOf)`));
  }
  if (schema.oneOf) {
    const matching = schema.oneOf.filter(fits).length;
    const found = matching === 0 ? "Found none valid" : `Found ${matching} valid alternatives`;
    if (matching !== 1) {
      faults.push(
        invalidValue(path, shown, `"${path}" must validate one and only one schema (oneOf). ${found}`),
      );
    }
  }
  if (schema.not && fits(schema.not)) {
    faults.push(invalidValue(path, shown, `"${path}" must not validate the schema (not)`));
  }
  return faults;
};
