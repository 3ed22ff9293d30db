// SPDX-License-Identifier: Apache-2.0
// The printer columns that a CustomResourceDefinition declares.
import { canonical, isObject, type Json } from "../json.ts";
import type { Column } from "../registry.ts";
import { ageOf } from "./age.ts";
import { jsonPath } from "./json-path.ts";

export type DeclaredColumn = {
  name: string;
  type: string;
  jsonPath: string;
  format?: string;
  description?: string;
  priority?: number;
};

const ageColumn: DeclaredColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description:
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.",
};

/** A cell as kube-apiserver renders it: several values of a string column as a list, others the first one. */
const cell = (values: Json[], type: string, now: Date): string | number | boolean | null => {
  const [first] = values;
  if (first === undefined || first === null) return null;
  switch (type) {
    case "integer":
      return typeof first === "number" ? Math.trunc(first) : null;
    case "number":
      return typeof first === "number" ? first : null;
    case "boolean":
      return typeof first === "boolean" ? first : null;
    case "date":
      return typeof first === "string" ? ageOf(first, now) : null;
    default:
      if (values.length > 1) return values.map(plain).join(" ");
      return plain(first);
  }
};

const plain = (value: Json): string =>
  isObject(value) || Array.isArray(value) ? canonical(value) : String(value);

/** The columns after the name; without any declared, the age alone. */
export const customColumns = (declared: DeclaredColumn[] | undefined): Column[] =>
  (declared && declared.length > 0 ? declared : [ageColumn]).map((column) => {
    const path = jsonPath(column.jsonPath);
    const { name, type, format, description, priority } = column;
    return {
      name,
      type,
      ...(format ? { format } : {}),
      description:
        description ?? `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
      ...(priority ? { priority } : {}),
      value: (object, now) => (path.ok ? cell(path.evaluate(object), type, now) : null),
    };
  });
