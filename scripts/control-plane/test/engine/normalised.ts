// SPDX-License-Identifier: Apache-2.0
// Normalizes a hook request: removes uids, times, versions, managedFields, ports and the content-length, which differ from run
// to run.
import { isObject, type Json, type JsonObject } from "../../api/json.ts";

const uid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;

/** The headers and the body to compare. Equal uids stay equal: each becomes its number in the order of the sorted keys. */
export const normalised = (request: {
  headers: object;
  body: JsonObject;
}): { headers: object; body: Json } => {
  const uids: string[] = [];
  const numberOf = (found: string) => {
    if (!uids.includes(found)) uids.push(found);
    return `uid-${uids.indexOf(found)}`;
  };
  const text = (value: string) =>
    value
      .replace(uid, numberOf)
      .replace(time, "time")
      .replace(/http:\/\/127\.0\.0\.1:\d+/g, "http://hook")
      .replace(/ReplicaSet "clawdbot-[a-z0-9]{8,10}"/g, 'ReplicaSet "clawdbot-hash"');
  const walk = (value: Json | undefined): Json => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map(walk);
    if (!isObject(value)) return value ?? null;
    const result: JsonObject = {};
    for (const key of Object.keys(value).sort()) {
      if (key === "managedFields") continue;
      result[text(key)] = key === "resourceVersion" ? "version" : walk(value[key]);
    }
    return result;
  };
  const {
    host: _,
    "content-length": length,
    ...headers
  } = Object.fromEntries(Object.entries(request.headers));
  return { headers: { ...headers, "content-length": typeof length }, body: walk(request.body) };
};
