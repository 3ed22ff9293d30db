// SPDX-License-Identifier: Apache-2.0
// The formats of a schema that kube-apiserver checks; unknown formats pass.
import { isIP, isIPv4, isIPv6 } from "node:net";
import type { Cause } from "../api-status.ts";
import type { Json } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { invalidValue } from "./faults.ts";

const dateTime =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const isDate = (text: string): boolean => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
};

const isCidr = (text: string): boolean => {
  const [address = "", bits = "", ...rest] = text.split("/");
  const limit = isIPv4(address) ? 32 : 128;
  return rest.length === 0 && isIP(address) !== 0 && /^\d+$/.test(bits) && Number(bits) <= limit;
};

const stringFormats: { [name: string]: (text: string) => boolean } = {
  "date-time": (text) => dateTime.test(text) && isDate(text.slice(0, 10)),
  date: isDate,
  byte: (text) =>
    /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.replaceAll(/[\r\n]/g, "")),
  duration: (text) => /^[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$/.test(text),
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  uri: (text) => URL.canParse(text),
  hostname: (text) =>
    /^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(text),
};

const integerLimits: { [name: string]: [number, number] } = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63],
};

const reason = "FieldValueTypeInvalid";

/** The fault of a value against its schema's format, if there is one. */
export const formatFault = (value: Json, schema: Schema, path: string): Cause | undefined => {
  const { format } = schema;
  if (format === undefined) return undefined;
  if (typeof value === "number") {
    const limits = integerLimits[format];
    if (!limits || (value >= limits[0] && value <= limits[1])) return undefined;
    return { ...invalidValue(path, value, `${path} in body must be of type ${format}: "${value}"`), reason };
  }
  if (typeof value !== "string") return undefined;
  const fits = stringFormats[format];
  if (!fits || fits(value)) return undefined;
  // Bytes may be a Secret's, so the value stays out of the message.
  if (format === "byte") return { field: path, reason, message: "illegal base64 data" };
  return {
    ...invalidValue(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`),
    reason,
  };
};
