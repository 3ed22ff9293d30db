// SPDX-License-Identifier: Apache-2.0
// Secrets: stringData, key names, required keys by type, size, immutability.
import type { Cause } from "../api-status.ts";
import { equal, isObject, type JsonObject, objectOrEmpty, stringOf } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { KindBehaviour } from "../registry.ts";
import { forbiddenValue, invalidValue, requiredValue, tooLong } from "../validation/faults.ts";

/** Bytes of all values together. */
const maxBytes = 1024 * 1024;
const keyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/** Faults of the keys of a Secret's or ConfigMap's data. */
const keyFaults = (field: string, data: JsonObject): Cause[] => {
  const faults: Cause[] = [];
  for (const key of Object.keys(data)) {
    const at = `${field}[${key}]`;
    if (key.length > 253) faults.push(invalidValue(at, key, "must be no more than 253 characters"));
    else if (!/^[-._a-zA-Z0-9]+$/.test(key)) faults.push(invalidValue(at, key, keyText));
    else if (key === ".") faults.push(invalidValue(at, key, "must not be '.'"));
    else if (key === "..") faults.push(invalidValue(at, key, "must not be '..'"));
    else if (key.startsWith("..")) faults.push(invalidValue(at, key, "must not start with '..'"));
  }
  return faults;
};

const isJson = (base64: string): boolean => {
  try {
    JSON.parse(Buffer.from(base64, "base64").toString("utf8"));
    return true;
  } catch {
    return false;
  }
};

const jsonKeyFaults = (data: JsonObject, key: string): Cause[] => {
  const value = stringOf(data[key]);
  if (value === undefined) return [requiredValue(`data[${key}]`)];
  return isJson(value)
    ? []
    : [invalidValue(`data[${key}]`, "<secret contents redacted>", "invalid character")];
};

const typeFaults = (secret: KubeObject, data: JsonObject): Cause[] => {
  switch (secret.type) {
    case "kubernetes.io/service-account-token": {
      const name = "kubernetes.io/service-account.name";
      return secret.metadata.annotations?.[name] ? [] : [requiredValue(`metadata.annotations[${name}]`)];
    }
    case "kubernetes.io/dockercfg":
      return jsonKeyFaults(data, ".dockercfg");
    case "kubernetes.io/dockerconfigjson":
      return jsonKeyFaults(data, ".dockerconfigjson");
    case "kubernetes.io/basic-auth":
      return data.username !== undefined || data.password !== undefined
        ? []
        : [requiredValue("data[username]"), requiredValue("data[password]")];
    case "kubernetes.io/ssh-auth":
      return data["ssh-privatekey"] ? [] : [requiredValue("data[ssh-privatekey]")];
    case "kubernetes.io/tls":
      return ["tls.crt", "tls.key"]
        .filter((key) => data[key] === undefined)
        .map((key) => requiredValue(`data[${key}]`));
    default:
      return [];
  }
};

/** The faults of a change to an object that may be immutable. */
const immutableFaults = (object: KubeObject, old: KubeObject, fields: string[]): Cause[] => {
  if (old.immutable !== true) return [];
  const why = "field is immutable when `immutable` is set";
  return [
    ...(object.immutable === true ? [] : [forbiddenValue("immutable", why)]),
    ...fields
      .filter((field) => !equal(objectOrEmpty(object[field]), objectOrEmpty(old[field])))
      .map((field) => forbiddenValue(field, why)),
  ];
};

export const secretBehaviour: KindBehaviour = {
  normalise: (secret) => {
    const { stringData } = secret;
    delete secret.stringData;
    if (isObject(stringData)) {
      const encoded = Object.entries(stringData).map(([key, value]) => [
        key,
        Buffer.from(stringOf(value) ?? "").toString("base64"),
      ]);
      secret.data = { ...objectOrEmpty(secret.data), ...Object.fromEntries(encoded) };
    }
    if (secret.type === "") delete secret.type;
    if (isObject(secret.data) && Object.keys(secret.data).length === 0) delete secret.data;
  },
  setDefaults: (secret) => {
    secret.type ??= "Opaque";
  },
  validate: (secret, old) => {
    const data = objectOrEmpty(secret.data);
    const faults = keyFaults("data", data);
    let size = 0;
    for (const value of Object.values(data)) size += Buffer.byteLength(stringOf(value) ?? "", "base64");
    if (size > maxBytes) faults.push(tooLong("data", maxBytes));
    faults.push(...typeFaults(secret, data));
    if (!old) return faults;
    if (secret.type !== old.type) {
      faults.push(invalidValue("type", secret.type ?? "", "field is immutable"));
    }
    return [...faults, ...immutableFaults(secret, old, ["data"])];
  },
  selectable: (secret) => ({ type: stringOf(secret.type) ?? "" }),
};

export const configMapBehaviour: KindBehaviour = {
  validate: (object, old) => {
    const data = objectOrEmpty(object.data);
    const binary = objectOrEmpty(object.binaryData);
    const faults = [...keyFaults("data", data), ...keyFaults("binaryData", binary)];
    for (const key of Object.keys(binary)) {
      if (data[key] !== undefined) {
        faults.push(invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData"));
      }
    }
    let size = 0;
    for (const value of Object.values(data)) size += Buffer.byteLength(stringOf(value) ?? "");
    for (const value of Object.values(binary)) size += Buffer.byteLength(stringOf(value) ?? "", "base64");
    if (size > maxBytes) faults.push(tooLong("", maxBytes));
    return old ? [...faults, ...immutableFaults(object, old, ["data", "binaryData"])] : faults;
  },
};
