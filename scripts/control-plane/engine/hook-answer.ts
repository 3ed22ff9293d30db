// SPDX-License-Identifier: Apache-2.0
// What hooks of version v2 may answer, decoded as Go's strict JSON decoder does: null counts as left out.
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isObject, type JsonObject } from "../api/json.ts";
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

function fieldFault(schema: TObject, answer: JsonObject): Outcome<never> | undefined {
  if (Value.Check(schema, answer)) return undefined;
  const first = [...Value.Errors(schema, answer)].at(0);
  const path = (first?.path ?? "").slice(1).replaceAll("/", ".");
  return fault(`can't unmarshal webhookResponse: ${path}: ${first?.message ?? "is not valid"}`);
}

function unknownField(schema: TObject, answer: JsonObject, at = ""): Outcome<never> | undefined {
  const name = Object.keys(answer).find((key) => !(key in schema.properties));
  if (name === undefined) return undefined;
  return fault(`strict validation failed for v2 webhookResponse: unknown field "${at}${name}"`);
}

export function decodeSync(answer: JsonObject, strict: boolean): Outcome<SyncAnswer> {
  const wrong = fieldFault(SyncFields, answer) ?? (strict ? unknownField(SyncFields, answer) : undefined);
  if (wrong) return wrong;
  const { status, children, resyncAfterSeconds, finalized } = answer;
  const objects: KubeObject[] = [];
  for (const [index, child] of (Array.isArray(children) ? children : []).entries()) {
    const named = isObject(child) && typeof child.kind === "string" && typeof child.apiVersion === "string";
    const object = named ? asObject(child, { apiVersion: "", kind: "" }) : undefined;
    if (!object) {
      return fault(
        `can't unmarshal webhookResponse: children.${index} is no object with apiVersion, kind and name`,
      );
    }
    objects.push(object);
  }
  return ok({
    status: isObject(status) ? status : {},
    children: objects,
    resyncAfterSeconds: typeof resyncAfterSeconds === "number" ? resyncAfterSeconds : 0,
    finalized: finalized === true,
  });
}

export function decodeCustomize(answer: JsonObject, strict: boolean): Outcome<RelatedRule[]> {
  if (strict) {
    const unknown = unknownField(CustomizeFields, answer);
    if (unknown) return unknown;
  }
  if (!Value.Check(CustomizeFields, answer)) {
    return fieldFault(CustomizeFields, answer) ?? fault("can't unmarshal webhookResponse");
  }
  const { relatedResources: rules }: Static<typeof CustomizeFields> = answer;
  for (const [index, rule] of (rules ?? []).entries()) {
    const unknown = Object.keys(rule).find((key) => !(key in Rule.properties));
    if (strict && unknown !== undefined) {
      return fault(
        `strict validation failed for v2 webhookResponse: unknown field "relatedResources[${index}].${unknown}"`,
      );
    }
  }
  return ok(rules ?? []);
}
