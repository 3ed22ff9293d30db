// SPDX-License-Identifier: Apache-2.0
// Services: cluster addresses, which are made up here, and target ports.
import { createHash } from "node:crypto";
import type { Cause } from "../api-status.ts";
import { isObject, type JsonObject, listOrEmpty, objectOrEmpty, valueAt } from "../json.ts";
import type { KindBehaviour } from "../registry.ts";
import { invalidValue, requiredValue } from "../validation/faults.ts";

/** An address of 10.96.0.0/12 that depends on the uid alone; nothing answers there. */
const clusterAddress = (uid: string): string => {
  const [a = 0, b = 0, c = 0] = createHash("sha256").update(uid).digest();
  return `10.${96 + (a & 15)}.${b}.${Math.max(1, c)}`;
};

const portFaults = (spec: JsonObject): Cause[] => {
  const ports = listOrEmpty(spec.ports);
  const faults: Cause[] = [];
  if (ports.length === 0 && spec.clusterIP !== "None" && spec.type !== "ExternalName") {
    faults.push(requiredValue("spec.ports"));
  }
  ports.forEach((port, index) => {
    const at = `spec.ports[${index}]`;
    const number = valueAt(port, ["port"]);
    if (typeof number === "number" && (number < 1 || number > 65535)) {
      faults.push(invalidValue(`${at}.port`, number, "must be between 1 and 65535, inclusive"));
    }
    if (ports.length > 1 && !valueAt(port, ["name"])) faults.push(requiredValue(`${at}.name`));
  });
  return faults;
};

export const serviceBehaviour: KindBehaviour = {
  setDefaults: (service) => {
    const spec = service.spec;
    if (!isObject(spec)) return;
    for (const port of listOrEmpty(spec.ports)) {
      if (isObject(port)) port.targetPort ??= port.port;
    }
    if (spec.type === "ExternalName") return;
    spec.internalTrafficPolicy ??= "Cluster";
    spec.ipFamilies ??= ["IPv4"];
    spec.ipFamilyPolicy ??= "SingleStack";
  },
  prepare: (service, old) => {
    const spec = service.spec;
    if (!isObject(spec) || spec.type === "ExternalName") return;
    const before = objectOrEmpty(old?.spec).clusterIP;
    spec.clusterIP ||= before ?? clusterAddress(service.metadata.uid ?? "");
    spec.clusterIPs ??= [spec.clusterIP ?? null];
  },
  validate: (service, old) => {
    const spec = objectOrEmpty(service.spec);
    const faults = portFaults(spec);
    const before = objectOrEmpty(old?.spec).clusterIP;
    if (before && spec.clusterIP !== before) {
      faults.push(invalidValue("spec.clusterIPs[0]", [spec.clusterIP ?? null], "may not change once set"));
    }
    return faults;
  },
};
