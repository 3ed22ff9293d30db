// SPDX-License-Identifier: Apache-2.0
// Reads the protobuf bodies that kubectl's typed clients send, into the JSON form of the same object.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
import { rfc3339 } from "../../../../server/time.ts";
import type { Json, JsonObject } from "../json.ts";
import { type FieldDescriptor, messageFields } from "./descriptors.ts";

export type Decoded = { ok: true; object: JsonObject } | { ok: false; why: string };

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]); // "k8s\0"

/** Why a body could not be read; caught at this file's edge. */
class Undecodable extends Error {}

type Field = { number: number; value: bigint | Buffer };

const varint = (bytes: Buffer, start: number): { value: bigint; next: number } => {
  let value = 0n;
  let next = start;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[next++];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, next };
  }
  throw new Undecodable("a number is cut off");
};

const fieldsOf = (bytes: Buffer): Field[] => {
  const fields: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = varint(bytes, at);
    const number = Number(tag.value >> 3n);
    const wire = Number(tag.value & 7n);
    at = tag.next;
    if (wire === 0) {
      const read = varint(bytes, at);
      fields.push({ number, value: BigInt.asIntN(64, read.value) });
      at = read.next;
    } else if (wire === 2) {
      const length = varint(bytes, at);
      const end = length.next + Number(length.value);
      if (end > bytes.length) throw new Undecodable(`field ${number} is cut off`);
      fields.push({ number, value: bytes.subarray(length.next, end) });
      at = end;
    } else throw new Undecodable(`field ${number} has the unexpected wire type ${wire}`);
  }
  return fields;
};

const asBytes = (value: bigint | Buffer): Buffer => {
  if (typeof value === "bigint") throw new Undecodable("a number where bytes belong");
  return value;
};

const asNumber = (value: bigint | Buffer): bigint => {
  if (typeof value !== "bigint") throw new Undecodable("bytes where a number belongs");
  return value;
};

const single = (type: string, value: bigint | Buffer): Json => {
  switch (type) {
    case "string":
      return asBytes(value).toString("utf8");
    case "bytes":
      return asBytes(value).toString("base64");
    case "int":
      return Number(asNumber(value));
    case "bool":
      return asNumber(value) !== 0n;
  }
  const message = readMessage(type, asBytes(value));
  if (type === "Time") {
    const seconds = Number(message.seconds ?? 0);
    // The zero time of Go stands for "not set".
    return seconds <= 0 ? null : rfc3339(new Date(seconds * 1000));
  }
  if (type === "Quantity") return message.string ?? "0";
  if (type === "IntOrString") return message.type === 1 ? (message.strVal ?? "") : (message.intVal ?? 0);
  return message;
};

/** How Go's encoder writes a field that is not set and not a pointer; JSON leaves it out. */
const isZero = (value: Json): boolean => value === "" || value === 0 || value === false;

/** Pointers, where zero is a value of its own, and required numbers. */
const mayBeZero = new Set([
  "replicas",
  "gracePeriodSeconds",
  "value",
  "automountServiceAccountToken",
  "intVal",
]);

const readField = (field: FieldDescriptor, value: bigint | Buffer, result: JsonObject): void => {
  const { name, type } = field;
  const map = /^map<(.*)>$/.exec(type)?.[1];
  if (map !== undefined) {
    const entry = fieldsOf(asBytes(value));
    const key = entry.find(({ number }) => number === 1)?.value ?? Buffer.alloc(0);
    const item = entry.find(({ number }) => number === 2)?.value ?? Buffer.alloc(0);
    const present = result[name];
    const entries = typeof present === "object" && present !== null && !Array.isArray(present) ? present : {};
    result[name] = { ...entries, [asBytes(key).toString("utf8")]: single(map, item) };
    return;
  }
  if (type.endsWith("[]")) {
    const present = result[name];
    result[name] = [...(Array.isArray(present) ? present : []), single(type.slice(0, -2), value)];
    return;
  }
  const read = single(type, value);
  if (read === null || (isZero(read) && !mayBeZero.has(name))) return;
  result[name] = read;
};

const readMessage = (name: string, bytes: Buffer): JsonObject => {
  const known = messageFields(name);
  if (!known) throw new Undecodable(`${name} is not known in protobuf form`);
  const result: JsonObject = {};
  for (const { number, value } of fieldsOf(bytes)) {
    const field = known.get(number);
    if (field) readField(field, value, result);
    else if (known.size > 0) {
      throw new Undecodable(`field ${number} of ${name} is not known in protobuf form`);
    }
  }
  return result;
};

/** True for a body in Kubernetes' protobuf envelope. */
export const isProtobuf = (bytes: Buffer): boolean => bytes.subarray(0, 4).equals(magic);

/** The object of a body; `ok: false` where its kind or one of its fields is not known here. */
export const decodeProtobuf = (bytes: Buffer): Decoded => {
  try {
    const envelope = fieldsOf(bytes.subarray(4));
    const part = (fields: Field[], wanted: number) =>
      asBytes(fields.find(({ number }) => number === wanted)?.value ?? Buffer.alloc(0));
    const type = fieldsOf(part(envelope, 1));
    const apiVersion = part(type, 1).toString("utf8");
    const kind = part(type, 2).toString("utf8");
    return { ok: true, object: { apiVersion, kind, ...readMessage(kind, part(envelope, 2)) } };
  } catch (error) {
    if (error instanceof Undecodable) return { ok: false, why: error.message };
    throw error;
  }
};
