// SPDX-License-Identifier: Apache-2.0
// Dynamic apply's merge: what the last answer set and this one does not is removed, what this one sets is set, the rest stays.
// https://metacontroller.github.io/metacontroller/api/apply.html
import { copy, isObject, type Json, type JsonObject } from "../api/json.ts";

// A list whose items all have one of these is merged item by item; the first that fits counts.
const MERGE_KEYS = ["containerPort", "port", "mountPath", "name", "uid", "ip", "path"];

/** The observed object with the change from `last` to `desired` made to it. */
export const merged = (observed: JsonObject, last: JsonObject, desired: JsonObject): JsonObject =>
  mergedObject(copy(observed), last, desired);

const mergedValue = (observed: Json | undefined, last: Json | undefined, desired: Json): Json => {
  if (isObject(observed) && isObject(desired)) {
    return mergedObject(observed, isObject(last) ? last : {}, desired);
  }
  if (Array.isArray(observed) && Array.isArray(desired)) {
    return mergedList(observed, Array.isArray(last) ? last : [], desired);
  }
  return desired;
};

const mergedObject = (observed: JsonObject, last: JsonObject, desired: JsonObject): JsonObject => {
  for (const name of Object.keys(last)) if (desired[name] === undefined) delete observed[name];
  for (const [name, value] of Object.entries(desired)) {
    if (value !== undefined) observed[name] = mergedValue(observed[name], last[name], value);
  }
  return observed;
};

const mergedList = (observed: Json[], last: Json[], desired: Json[]): Json[] => {
  const items = [...observed, ...last, ...desired];
  const key = MERGE_KEYS.find(
    (name) => items.length > 0 && items.every((item) => isObject(item) && item[name] !== undefined),
  );
  if (key === undefined) return desired;
  const byKey = (list: Json[]) => new Map(list.filter(isObject).map((item) => [String(item[key]), item]));
  const result = new Map<string, Json>(byKey(observed));
  const before = byKey(last);
  const after = byKey(desired);
  for (const name of before.keys()) if (!after.has(name)) result.delete(name);
  // Items that are there keep their places; new ones follow in the order of `desired`.
  for (const [name, item] of after) result.set(name, mergedValue(result.get(name), before.get(name), item));
  return [...result.values()];
};
