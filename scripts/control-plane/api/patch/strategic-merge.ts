// SPDX-License-Identifier: Apache-2.0
// Strategic merge patch: lists merge by key, with $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md

import { badRequest } from "../api-status.ts";
import { fieldSchema } from "../apply/field-node.ts";
import { copy, equal, isObject, type Json, type JsonObject, listOrEmpty } from "../json.ts";
import type { Schema } from "../schema/schema.ts";

const orderPrefix = "$setElementOrder/";
const deletePrefix = "$deleteFromPrimitiveList/";

/** The target with the patch merged in, as the schema's patch strategies say. */
export const strategicMerge = (target: Json | undefined, patch: Json, schema: Schema): Json => {
  if (!isObject(patch)) return copy(patch);
  return mergeObject(isObject(target) ? target : {}, patch, schema);
};

const mergeObject = (target: JsonObject, patch: JsonObject, schema: Schema): JsonObject => {
  const directive = patch.$patch;
  if (directive === "delete") return {};
  if (directive === "replace") return withoutDirectives(patch);
  if (directive !== undefined && directive !== "merge") {
    throw badRequest(`unknown patch type: ${String(directive)}`);
  }
  const result = retained(copy(target), patch.$retainKeys);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null || value === undefined) delete result[key];
    else result[key] = mergeField(result[key], value, fieldSchema(schema, key));
  }
  for (const [key, value] of Object.entries(patch)) applyListDirective(result, key, value, schema);
  return result;
};

/** The fields that `keys` names, or all where it is no list. */
const retained = (object: JsonObject, keys: Json | undefined): JsonObject => {
  if (!Array.isArray(keys)) return object;
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
};

const mergeField = (target: Json | undefined, value: Json, schema: Schema): Json => {
  if (Array.isArray(value)) return mergeList(target, value, schema);
  if (!isObject(value)) return copy(value);
  const merged = mergeObject(isObject(target) ? target : {}, value, schema);
  return merged;
};

const mergeList = (target: Json | undefined, patch: Json[], schema: Schema): Json[] => {
  const isReplace = (item: Json) => isObject(item) && item.$patch === "replace";
  if (patch.some(isReplace)) return patch.filter((item) => !isReplace(item)).map(copy);
  if (!schema["x-kubernetes-patch-strategy"]?.split(",").includes("merge")) return patch.map(copy);
  const result = listOrEmpty(target).map(copy);
  const mergeKey = schema["x-kubernetes-patch-merge-key"];
  if (mergeKey === undefined) {
    for (const item of patch) if (!result.some((other) => equal(other, item))) result.push(copy(item));
    return result;
  }
  for (const item of patch) mergeKeyedItem(result, item, mergeKey, schema.items ?? {});
  return result;
};

/** Changes, adds or removes the item of `list` that `item` names by its `mergeKey`, in place. */
const mergeKeyedItem = (list: Json[], item: Json, mergeKey: string, schema: Schema): void => {
  if (!isObject(item)) throw badRequest("a list that merges by key must hold objects");
  const key = item[mergeKey];
  if (key === undefined) {
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
  }
  const index = list.findIndex((other) => isObject(other) && equal(other[mergeKey], key));
  const existing = list[index];
  if (item.$patch === "delete") {
    if (index >= 0) list.splice(index, 1);
  } else if (isObject(existing)) list[index] = mergeObject(existing, item, schema);
  else list.push(mergeObject({}, item, schema));
};

const withoutDirectives = (patch: JsonObject): JsonObject => {
  const result = copy(patch);
  for (const key of Object.keys(result)) if (key.startsWith("$")) delete result[key];
  return result;
};

const applyListDirective = (
  result: JsonObject,
  key: string,
  value: Json | undefined,
  schema: Schema,
): void => {
  if (key.startsWith(deletePrefix)) {
    const field = key.slice(deletePrefix.length);
    const gone = listOrEmpty(value);
    const list = result[field];
    if (Array.isArray(list)) result[field] = list.filter((item) => !gone.some((other) => equal(item, other)));
  } else if (key.startsWith(orderPrefix)) {
    const field = key.slice(orderPrefix.length);
    const list = result[field];
    if (!Array.isArray(list)) return;
    const mergeKey = fieldSchema(schema, field)["x-kubernetes-patch-merge-key"];
    const identity = (item: Json) => (mergeKey !== undefined && isObject(item) ? item[mergeKey] : item);
    result[field] = inOrder(list, listOrEmpty(value).map(identity), identity);
  }
};

/** The list with the items that `order` names in that order; others keep their place behind what preceded them. */
const inOrder = (
  list: Json[],
  order: (Json | undefined)[],
  identity: (item: Json) => Json | undefined,
): Json[] => {
  const rank = (item: Json) => order.findIndex((other) => equal(other, identity(item)));
  const ordered = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  let next = 0;
  return list.map((item) => (rank(item) < 0 ? item : (ordered[next++] ?? item)));
};
