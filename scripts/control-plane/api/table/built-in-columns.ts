// SPDX-License-Identifier: Apache-2.0
// Defines the columns that kubectl get shows for built-in kinds.
import { isObject, type Json, listOrEmpty, numberOf, objectOrEmpty, stringOf, valueAt } from "../json.ts";
import type { KubeObject } from "../kube-object.ts";
import type { Column } from "../registry.ts";
import { ageOf } from "./age.ts";

type Cell = string | number | boolean | null;
type Read = (object: KubeObject, now: Date) => Cell;

const createdAt = (): Column => ({
  name: "Created At",
  type: "date",
  value: (object) => object.metadata.creationTimestamp ?? null,
});

const text =
  (...path: string[]): Read =>
  (object) =>
    stringOf(valueAt(object, path)) ?? "";
const count =
  (...path: string[]): Read =>
  (object) =>
    numberOf(valueAt(object, path)) ?? 0;
const keys =
  (...path: string[]): Read =>
  (object) =>
    Object.keys(objectOrEmpty(valueAt(object, path))).length;
const age: Column = {
  name: "Age",
  type: "string",
  description: "CreationTimestamp is the server time when this object was created.",
  value: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

const column = (name: string, value: Read, options: { type?: string; priority?: number } = {}): Column => ({
  name,
  type: options.type ?? "string",
  priority: options.priority ?? 0,
  value,
});

const labelsText = (value: Json | undefined): string => {
  const labels = objectOrEmpty(value);
  const text = Object.keys(labels)
    .sort()
    .map((key) => `${key}=${labels[key]}`)
    .join(",");
  return text || "<none>";
};

const containers =
  (field: "name" | "image"): Read =>
  (object) =>
    listOrEmpty(valueAt(object, ["spec", "template", "spec", "containers"]))
      .map((container) => stringOf(valueAt(container, [field])) ?? "")
      .join(",");

const selector: Read = (object) => labelsText(valueAt(object, ["spec", "selector", "matchLabels"]));
const wide = { priority: 1 };
const podColumns = [
  column("Containers", containers("name"), wide),
  column("Images", containers("image"), wide),
  column("Selector", selector, wide),
];

const portsText = (object: KubeObject): string => {
  const ports = listOrEmpty(valueAt(object, ["spec", "ports"])).filter(isObject);
  const shown = ports.map((port) => {
    const node = numberOf(port.nodePort);
    return `${port.port}${node ? `:${node}` : ""}/${port.protocol}`;
  });
  return shown.join(",") || "<none>";
};

const budget =
  (field: string): Read =>
  (object) => {
    const value = valueAt(object, ["spec", field]);
    return value === undefined || value === null ? "N/A" : String(value);
  };

const subjects = (object: KubeObject): string =>
  `${valueAt(object, ["roleRef", "kind"])}/${valueAt(object, ["roleRef", "name"])}`;

const integer = { type: "integer" };
const columns: { [kind: string]: Column[] } = {
  Namespace: [column("Status", text("status", "phase")), age],
  Secret: [column("Type", text("type")), column("Data", keys("data"), integer), age],
  ConfigMap: [
    column(
      "Data",
      (object) => Number(keys("data")(object, new Date(0))) + Number(keys("binaryData")(object, new Date(0))),
      integer,
    ),
    age,
  ],
  ServiceAccount: [column("Secrets", (object) => listOrEmpty(object.secrets).length, integer), age],
  Service: [
    column("Type", text("spec", "type")),
    column("Cluster-IP", (object) => stringOf(valueAt(object, ["spec", "clusterIP"])) || "<none>"),
    column("External-IP", (object) => stringOf(valueAt(object, ["spec", "externalName"])) || "<none>"),
    column("Port(s)", portsText),
    age,
    column("Selector", (object) => labelsText(valueAt(object, ["spec", "selector"])), wide),
  ],
  Event: [
    column("Last Seen", (event, now) =>
      ageOf(
        stringOf(event.lastTimestamp) ?? stringOf(event.eventTime) ?? event.metadata.creationTimestamp,
        now,
      ),
    ),
    column("Type", text("type")),
    column("Reason", text("reason")),
    column("Object", (event) => {
      const { kind, name } = objectOrEmpty(event.involvedObject);
      return `${stringOf(kind)?.toLowerCase() ?? ""}/${stringOf(name) ?? ""}`;
    }),
    column("Subobject", text("involvedObject", "fieldPath"), wide),
    column("Source", text("source", "component"), wide),
    column("Message", (event) => stringOf(event.message)?.trim() ?? ""),
    column(
      "First Seen",
      (event, now) => ageOf(stringOf(event.firstTimestamp) ?? event.metadata.creationTimestamp, now),
      wide,
    ),
    column("Count", (event) => numberOf(event.count) ?? 1, { type: "integer", priority: 1 }),
    column("Name", (event) => event.metadata.name ?? "", wide),
  ],
  Pod: [
    column("Ready", (pod) => {
      const statuses = listOrEmpty(valueAt(pod, ["status", "containerStatuses"]));
      const ready = statuses.filter((one) => valueAt(one, ["ready"]) === true).length;
      return `${ready}/${listOrEmpty(valueAt(pod, ["spec", "containers"])).length}`;
    }),
    column("Status", text("status", "phase")),
    column("Restarts", () => "0"),
    age,
  ],
  Deployment: [
    column(
      "Ready",
      (object) =>
        `${count("status", "readyReplicas")(object, new Date(0))}/${numberOf(valueAt(object, ["spec", "replicas"])) ?? 0}`,
    ),
    column("Up-to-date", count("status", "updatedReplicas"), integer),
    column("Available", count("status", "availableReplicas"), integer),
    age,
    ...podColumns,
  ],
  StatefulSet: [
    column(
      "Ready",
      (object) =>
        `${count("status", "readyReplicas")(object, new Date(0))}/${numberOf(valueAt(object, ["spec", "replicas"])) ?? 0}`,
    ),
    age,
    ...podColumns,
  ],
  ReplicaSet: [
    column("Desired", count("spec", "replicas"), integer),
    column("Current", count("status", "replicas"), integer),
    column("Ready", count("status", "readyReplicas"), integer),
    age,
    ...podColumns,
  ],
  DaemonSet: [
    column("Desired", count("status", "desiredNumberScheduled"), integer),
    column("Current", count("status", "currentNumberScheduled"), integer),
    column("Ready", count("status", "numberReady"), integer),
    column("Up-to-date", count("status", "updatedNumberScheduled"), integer),
    column("Available", count("status", "numberAvailable"), integer),
    column("Node Selector", (object) =>
      labelsText(valueAt(object, ["spec", "template", "spec", "nodeSelector"])),
    ),
    age,
    ...podColumns,
  ],
  Role: [createdAt()],
  ClusterRole: [createdAt()],
  RoleBinding: [column("Role", subjects), age],
  ClusterRoleBinding: [column("Role", subjects), age],
  NetworkPolicy: [
    column("Pod-Selector", (object) => labelsText(valueAt(object, ["spec", "podSelector", "matchLabels"]))),
    age,
  ],
  PodDisruptionBudget: [
    column("Min Available", budget("minAvailable")),
    column("Max Unavailable", budget("maxUnavailable")),
    column("Allowed Disruptions", count("status", "disruptionsAllowed"), integer),
    age,
  ],
  Lease: [column("Holder", text("spec", "holderIdentity")), age],
  PriorityClass: [
    column("Value", count("value"), integer),
    column("Global-Default", (object) => object.globalDefault === true, { type: "boolean" }),
    age,
    column("PreemptionPolicy", text("preemptionPolicy"), wide),
  ],
  CustomResourceDefinition: [createdAt()],
};

/** The columns of a built-in kind after its name; age alone where it has none of its own. */
export const builtInColumns = (kind: string): Column[] => columns[kind] ?? [age];
