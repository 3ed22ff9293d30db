// SPDX-License-Identifier: Apache-2.0
// Compiles x-kubernetes-validations once, and evaluates the rules on objects and their changes.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
import type { Environment, ParseResult } from "@marcbachmann/cel-js";
import type { Cause, CauseReason } from "../api-status.ts";
import { canonical, isObject, type Json } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { Schema, ValidationRule } from "../schema/schema.ts";
import { celValue, mentions, rootSchema, ruleEnvironment } from "./rule-environment.ts";

type CompiledRule = {
  rule: ValidationRule;
  evaluate: ParseResult;
  message: ParseResult | undefined;
  isTransition: boolean;
};
export type RuleCompilation =
  | { ok: true; rules: CompiledRule[] }
  | { ok: false; faults: { index: number; field: "rule" | "messageExpression"; why: string }[] };

/** The first line of an interpreter's message; the rest draws the place. */
const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";

const checkedAs = (env: Environment, expression: string, type: string): string | undefined => {
  const result = env.check(expression);
  if (!result.valid) return `compilation failed: ${firstLine(result.error)}`;
  return result.type === type || result.type === "dyn"
    ? undefined
    : `compilation failed: must evaluate to a ${type}, not ${result.type}`;
};

/** Compiles the rules of one schema node. */
export const compileRules = (schema: Schema): RuleCompilation => {
  const rules = schema["x-kubernetes-validations"] ?? [];
  const env = ruleEnvironment(schema);
  const compiled: CompiledRule[] = [];
  const faults: { index: number; field: "rule" | "messageExpression"; why: string }[] = [];
  rules.forEach((rule, index) => {
    const why = checkedAs(env, rule.rule, "bool");
    if (why !== undefined) faults.push({ index, field: "rule", why });
    const { messageExpression } = rule;
    const whyMessage =
      messageExpression === undefined ? undefined : checkedAs(env, messageExpression, "string");
    if (whyMessage !== undefined) faults.push({ index, field: "messageExpression", why: whyMessage });
    if (why !== undefined || whyMessage !== undefined) return;
    const evaluate = env.parse(rule.rule);
    compiled.push({
      rule,
      evaluate,
      message: messageExpression === undefined ? undefined : env.parse(messageExpression),
      isTransition: mentions(evaluate.ast, "oldSelf"),
    });
  });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, rules: compiled };
};

const compilations = new WeakMap<Schema, CompiledRule[]>();

const rulesOf = (schema: Schema, effective: Schema): CompiledRule[] => {
  const known = compilations.get(schema);
  if (known) return known;
  const result = compileRules(effective);
  const rules = result.ok ? result.rules : []; // definitions with faulty rules are refused before they get here
  compilations.set(schema, rules);
  return rules;
};

/** The faults of an object against every rule in its schema; `old` is absent on create. */
export const ruleFaults = (schema: Schema, object: KubeObject, old: KubeObject | undefined): Cause[] =>
  walk(object, old, schema, "", true);

const walk = (value: Json, old: Json | undefined, schema: Schema, path: string, isRoot: boolean): Cause[] => {
  const faults = ownFaults(value, old, schema, path, isRoot);
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return faults;
    const below = value.map((item, index) =>
      walk(item, correlated(item, old, schema), items, `${path}[${index}]`, false),
    );
    return [...faults, ...below.flat()];
  }
  if (!isObject(value)) return faults;
  const before = isObject(old) ? old : {};
  for (const [name, item] of Object.entries(value)) {
    const below = schemaOf(name, schema);
    if (item === undefined || !below || (isRoot && name === "metadata")) continue;
    faults.push(...walk(item, before[name], below, path === "" ? name : `${path}.${name}`, false));
  }
  return faults;
};

/** The faults against the rules of this very node. */
const ownFaults = (
  value: Json,
  old: Json | undefined,
  schema: Schema,
  path: string,
  isRoot: boolean,
): Cause[] => {
  if ((schema["x-kubernetes-validations"] ?? []).length === 0) return [];
  const effective = isRoot ? rootSchema(schema) : schema;
  return rulesOf(schema, effective).flatMap((rule) => {
    const fault = evaluateRule(rule, value, old, effective, path);
    return fault ? [fault] : [];
  });
};

/** The schema of an object's field; none where the schema does not name it. */
const schemaOf = (name: string, { properties, additionalProperties }: Schema): Schema | undefined =>
  properties?.[name] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);

/** The old item that a list item was, which only lists keyed by fields can tell. */
const correlated = (item: Json, old: Json | undefined, schema: Schema): Json | undefined => {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (schema["x-kubernetes-list-type"] !== "map" || !keys || !Array.isArray(old) || !isObject(item)) {
    return undefined;
  }
  return old.find((other) => isObject(other) && keys.every((key) => other[key] === item[key]));
};

const reasons: { [reason: string]: CauseReason } = {
  FieldValueInvalid: "FieldValueInvalid",
  FieldValueForbidden: "FieldValueForbidden",
  FieldValueRequired: "FieldValueRequired",
  FieldValueDuplicate: "FieldValueDuplicate",
};

const fault = (rule: ValidationRule, schema: Schema, path: string, message: string): Cause => {
  const field = path + (rule.fieldPath ?? "");
  const at = field.replace(/^\./, "") || "<nil>";
  const reason = reasons[rule.reason ?? ""] ?? "FieldValueInvalid";
  if (reason === "FieldValueForbidden") return { reason, field: at, message: `Forbidden: ${message}` };
  if (reason === "FieldValueRequired") return { reason, field: at, message: `Required value: ${message}` };
  const prefix = reason === "FieldValueDuplicate" ? "Duplicate value" : "Invalid value";
  return { reason, field: at, message: `${prefix}: ${canonical(schema.type ?? "object")}: ${message}` };
};

const evaluateRule = (
  compiled: CompiledRule,
  value: Json,
  old: Json | undefined,
  schema: Schema,
  path: string,
): Cause | undefined => {
  const { rule } = compiled;
  if (compiled.isTransition && old === undefined && !rule.optionalOldSelf) return undefined;
  const variables = {
    self: celValue(value, schema),
    oldSelf: old === undefined ? null : celValue(old, schema),
  };
  const plain = rule.message?.trim() || `failed rule: ${rule.rule.replaceAll(/\s*\n\s*/g, " ")}`;
  try {
    if (compiled.evaluate(variables) === true) return undefined;
  } catch (error) {
    return fault(rule, schema, path, `${firstLine(error)} evaluating rule: ${rule.message ?? rule.rule}`);
  }
  return fault(rule, schema, path, messageOf(compiled, variables) ?? plain);
};

/** What messageExpression says; undefined where it fails or is empty, as the real server falls back then. */
const messageOf = (
  compiled: CompiledRule,
  variables: { self: unknown; oldSelf: unknown },
): string | undefined => {
  if (!compiled.message) return undefined;
  try {
    const text: unknown = compiled.message(variables);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text : undefined;
  } catch {
    return undefined;
  }
};
