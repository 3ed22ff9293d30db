// SPDX-License-Identifier: Apache-2.0
// The structural schema of a kind, as a CustomResourceDefinition writes it; built-in kinds use the same form.
import type { Json } from "../json.ts";

/** One rule of x-kubernetes-validations. */
export type ValidationRule = {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
};

/** JSONSchemaProps with the Kubernetes extensions. */
export type Schema = {
  type?: string;
  description?: string;
  format?: string;
  default?: Json;
  nullable?: boolean;
  properties?: { [name: string]: Schema };
  items?: Schema;
  additionalProperties?: Schema | boolean;
  required?: string[];
  enum?: Json[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: string;
  "x-kubernetes-validations"?: ValidationRule[];
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-patch-merge-key"?: string;
  /** The name of a shared definition, for /openapi; built-in kinds only. */
  "x-definition"?: string;
  /** A Go struct that is a pointer: absent until set, so that setting it owns the field itself. */
  "x-pointer"?: boolean;
};
