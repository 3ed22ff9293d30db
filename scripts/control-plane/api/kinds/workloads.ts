// SPDX-License-Identifier: Apache-2.0
// Deployments, ReplicaSets, StatefulSets and DaemonSets: defaults that depend on other fields, and validation.
import type { Cause } from "../api-status.ts";
import {
  equal,
  isObject,
  type Json,
  type JsonObject,
  listOrEmpty,
  objectOrEmpty,
  stringOf,
  valueAt,
} from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { KindBehaviour } from "../registry.ts";
import { duplicateValue, invalidValue, requiredValue, unsupportedValue } from "../validation/faults.ts";
import { dnsLabelFault } from "../validation/metadata-validation.ts";

/** Always for `latest` and for no tag at all, as the kubelet could not tell a new image otherwise. */
const pullPolicy = (image: string): string => {
  const name = image.split("/").at(-1) ?? "";
  if (name.includes("@")) return "IfNotPresent";
  const [, tag] = name.split(":");
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
};

/** Fills in a pod spec's defaults that depend on its other fields; in place. */
const setPodDefaults = (pod: JsonObject): void => {
  for (const list of [pod.containers, pod.initContainers]) {
    for (const container of listOrEmpty(list)) {
      if (isObject(container)) container.imagePullPolicy ??= pullPolicy(stringOf(container.image) ?? "");
    }
  }
  for (const volume of listOrEmpty(pod.volumes)) {
    if (isObject(volume) && Object.keys(volume).length === 1) volume.emptyDir = {};
  }
  const account = pod.serviceAccountName || pod.serviceAccount;
  if (account) {
    pod.serviceAccountName = account;
    pod.serviceAccount = account;
  }
};

const setTemplateDefaults = (object: KubeObject): void => {
  const pod = valueAt(object, ["spec", "template", "spec"]);
  if (isObject(pod)) setPodDefaults(pod);
};

const containerFaults = (pod: JsonObject, path: string): Cause[] => {
  const names = new Set<string>();
  const faults = listOrEmpty(pod.containers).length === 0 ? [requiredValue(`${path}.containers`)] : [];
  for (const field of ["initContainers", "containers"]) {
    listOrEmpty(pod[field]).forEach((container, index) => {
      if (!isObject(container)) return;
      const at = `${path}.${field}[${index}]`;
      const name = stringOf(container.name) ?? "";
      faults.push(...containerNameFaults(name, names, at));
      names.add(name);
      if (!container.image) faults.push(requiredValue(`${at}.image`));
      faults.push(...mountFaults(container, pod, at));
    });
  }
  return faults;
};

const containerNameFaults = (name: string, others: ReadonlySet<string>, at: string): Cause[] => {
  const fault = name === "" ? requiredValue(`${at}.name`) : dnsLabelFault(`${at}.name`, name);
  if (fault) return [fault];
  return others.has(name) ? [duplicateValue(`${at}.name`, name)] : [];
};

const mountFaults = (container: JsonObject, pod: JsonObject, at: string): Cause[] => {
  const volumes = new Set(listOrEmpty(pod.volumes).map((volume) => valueAt(volume, ["name"])));
  const faults: Cause[] = [];
  listOrEmpty(container.volumeMounts).forEach((mount, index) => {
    const name = valueAt(mount, ["name"]);
    if (typeof name !== "string" || volumes.has(name)) return;
    const field = `${at}.volumeMounts[${index}].name`;
    faults.push({ reason: "FieldValueNotFound", field, message: `Not found: ${JSON.stringify(name)}` });
  });
  return faults;
};

/** The faults of a workload's selector and template. */
const templateFaults = (object: KubeObject, old: KubeObject | undefined): Cause[] => {
  const spec = objectOrEmpty(object.spec);
  const selector = objectOrEmpty(spec.selector);
  const labels = objectOrEmpty(valueAt(spec, ["template", "metadata", "labels"]));
  const wanted = objectOrEmpty(selector.matchLabels);
  const faults: Cause[] = [];
  if (Object.keys(selector).length === 0) {
    faults.push(
      spec.selector === undefined
        ? requiredValue("spec.selector")
        : invalidValue("spec.selector", selector, "empty selector is invalid for deployment"),
    );
  } else if (Object.entries(wanted).some(([key, value]) => labels[key] !== value)) {
    faults.push(
      invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
    );
  }
  if (old && !equal(selector, objectOrEmpty(valueAt(old, ["spec", "selector"])))) {
    faults.push(invalidValue("spec.selector", selector, "field is immutable"));
  }
  const pod = valueAt(spec, ["template", "spec"]);
  if (isObject(pod)) {
    faults.push(...containerFaults(pod, "spec.template.spec"));
    if (pod.restartPolicy !== "Always") {
      faults.push(unsupportedValue("spec.template.spec.restartPolicy", pod.restartPolicy ?? "", ["Always"]));
    }
  }
  return faults;
};

const negativeFault = (path: string, value: Json | undefined): Cause[] =>
  typeof value === "number" && value < 0
    ? [invalidValue(path, value, "must be greater than or equal to 0")]
    : [];

export const deploymentBehaviour: KindBehaviour = {
  setDefaults: (deployment) => {
    setTemplateDefaults(deployment);
    const strategy = valueAt(deployment, ["spec", "strategy"]);
    if (isObject(strategy) && strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = {
        maxUnavailable: "25%",
        maxSurge: "25%",
        ...objectOrEmpty(strategy.rollingUpdate),
      };
    }
  },
  validate: (deployment, old) => {
    const spec = objectOrEmpty(deployment.spec);
    const faults = [...templateFaults(deployment, old), ...negativeFault("spec.replicas", spec.replicas)];
    const type = valueAt(spec, ["strategy", "type"]);
    if (type === "Recreate" && valueAt(spec, ["strategy", "rollingUpdate"]) !== undefined) {
      faults.push({
        reason: "FieldValueForbidden",
        field: "spec.strategy.rollingUpdate",
        message: "Forbidden: may not be specified when strategy `type` is 'Recreate'",
      });
    } else if (type !== "Recreate" && type !== "RollingUpdate") {
      faults.push(unsupportedValue("spec.strategy.type", type ?? "", ["Recreate", "RollingUpdate"]));
    }
    return faults;
  },
};

export const replicaSetBehaviour: KindBehaviour = {
  setDefaults: setTemplateDefaults,
  validate: templateFaults,
};

export const statefulSetBehaviour: KindBehaviour = {
  setDefaults: (object) => {
    setTemplateDefaults(object);
    const strategy = valueAt(object, ["spec", "updateStrategy"]);
    if (isObject(strategy) && strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = { partition: 0, ...objectOrEmpty(strategy.rollingUpdate) };
    }
  },
  validate: (object, old) => [
    ...templateFaults(object, old),
    ...negativeFault("spec.replicas", valueAt(object, ["spec", "replicas"])),
  ],
};

export const daemonSetBehaviour: KindBehaviour = {
  setDefaults: (object) => {
    setTemplateDefaults(object);
    const strategy = valueAt(object, ["spec", "updateStrategy"]);
    if (isObject(strategy) && strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = {
        maxUnavailable: 1,
        maxSurge: 0,
        ...objectOrEmpty(strategy.rollingUpdate),
      };
    }
  },
  validate: templateFaults,
};

export const podBehaviour: KindBehaviour = {
  setDefaults: (pod) => {
    const spec = pod.spec;
    if (!isObject(spec)) return;
    setPodDefaults(spec);
    spec.enableServiceLinks ??= true;
  },
  prepare: (pod, old) => {
    if (!old) pod.status = { phase: "Pending" };
  },
  validate: (pod) => containerFaults(objectOrEmpty(pod.spec), "spec"),
  selectable: (pod) => ({
    "spec.nodeName": stringOf(valueAt(pod, ["spec", "nodeName"])) ?? "",
    "status.phase": stringOf(valueAt(pod, ["status", "phase"])) ?? "",
  }),
};
