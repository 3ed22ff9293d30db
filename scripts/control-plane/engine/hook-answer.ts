// SPDX-License-Identifier: Apache-2.0
// Decodes the responses of hooks, version v2, as Go's strict JSON decoder does: null counts as omitted.
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isObject, type Json, type JsonObject, listOrEmpty } from "../api/json.ts";
import { asObject, type KubeObject } from "../client.ts";
import { LabelSelector } from "./label-selector.ts";
import { fault, type Outcome, ok } from "./outcome.ts";

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Optional(Type.Union([type, Type.Null()]));
const AnyJson = Type.Record(Type.String(), Type.Unknown());

const SyncFields = Type.Object({
  status: orNull(AnyJson),
  children: orNull(Type.Array(Type.Union([AnyJson, Type.Null()]))),
  resyncAfterSeconds: orNull(Type.Number()),
  finalized: orNull(Type.Boolean()),
});
const Rule = Type.Object({
  apiVersion: Type.String(),
  resource: Type.String(),
  namespace: orNull(Type.String()),
  names: orNull(Type.Array(Type.String())),
  labelSelector: orNull(LabelSelector),
  namespaceSelector: orNull(LabelSelector),
});
const CustomizeFields = Type.Object({ relatedResources: orNull(Type.Array(Rule)) });

/** The answer to sync and finalize. */
export type SyncAnswer = {
  status: JsonObject;
  children: KubeObject[];
  resyncAfterSeconds: number;
  finalized: boolean;
};
/** One rule of the answer to customize. */
export type RelatedRule = Static<typeof Rule>;

type How = { type: string; strict: boolean };

const unreadable = ({ type }: How, what: string) =>
  fault(`can't unmarshal webhookResponse (version: v2, type: ${type}): ${what}`);

const fieldFault = (schema: TObject, answer: JsonObject, how: How): Outcome<never> | undefined => {
  if (Value.Check(schema, answer)) return undefined;
  const first = [...Value.Errors(schema, answer)].at(0);
  const path = (first?.path ?? "").slice(1).replaceAll("/", ".");
  return unreadable(how, `${path}: ${first?.message ?? "is not valid"}`);
};

const unknownField = (schema: TObject, value: JsonObject, how: How, at = ""): Outcome<never> | undefined => {
  const name = how.strict && Object.keys(value).find((key) => !(key in schema.properties));
  if (typeof name !== "string") return undefined;
  const about = `type: ${how.type}, mode: strict`;
  return fault(`strict validation failed for v2 webhookResponse (${about}): unknown field "${at}${name}"`);
};

/** A child whose kind is missing is quoted whole, as Metacontroller quotes it. */
const childOf = (child: Json, index: number, how: How): Outcome<KubeObject> => {
  if (isObject(child) && (typeof child.kind !== "string" || child.kind === "")) {
    return unreadable(how, `Object 'Kind' is missing in '${JSON.stringify(child)}'`);
  }
  const object = asObject(child, { apiVersion: "", kind: "" });
  return object ? ok(object) : unreadable(how, `children.${index} is no object with a name`);
};

export const decodeSync = (answer: Json | undefined, how: How): Outcome<SyncAnswer> => {
  if (!isObject(answer)) return unreadable(how, "it is no JSON object");
  const wrong = fieldFault(SyncFields, answer, how) ?? unknownField(SyncFields, answer, how);
  if (wrong) return wrong;
  const { status, children, resyncAfterSeconds, finalized } = answer;
  const objects: KubeObject[] = [];
  for (const [index, child] of listOrEmpty(children).entries()) {
    const object = childOf(child, index, how);
    if (!object.ok) return object;
    objects.push(object.value);
  }
  return ok({
    status: isObject(status) ? status : {},
    children: objects,
    resyncAfterSeconds: typeof resyncAfterSeconds === "number" ? resyncAfterSeconds : 0,
    finalized: finalized === true,
  });
};

export const decodeCustomize = (answer: Json | undefined, how: How): Outcome<RelatedRule[]> => {
  if (!isObject(answer)) return unreadable(how, "it is no JSON object");
  if (!Value.Check(CustomizeFields, answer)) {
    return fieldFault(CustomizeFields, answer, how) ?? unreadable(how, "it is not valid");
  }
  const { relatedResources: rules }: Static<typeof CustomizeFields> = answer;
  for (const [index, rule] of (rules ?? []).entries()) {
    const unknown = unknownField(Rule, rule, how, `relatedResources[${index}].`);
    if (unknown) return unknown;
  }
  return unknownField(CustomizeFields, answer, how) ?? ok(rules ?? []);
};
