// SPDX-License-Identifier: Apache-2.0
// Generates the CustomResourceDefinitions from the TypeScript schemas of hooks/.
import type { TSchema } from "@sinclair/typebox";
import { stringify } from "yaml";
import { HSMDeviceSpec, HSMDeviceStatus } from "../hooks/hsmdevice/schema.ts";
import { HSMSecretSpec, HSMSecretStatus } from "../hooks/hsmsecret/schema.ts";
import { ToggleSpec, ToggleStatus } from "../hooks/toggle/schema.ts";

/** An OpenAPI v3 schema as a CRD takes it: structural, so without `const`, `$ref` or `additionalProperties: false`. */
type Structural = Record<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The literals of a union of literals, or undefined. */
const literalsOf = (schema: Record<string, unknown>): unknown[] | undefined => {
  if (schema.const !== undefined) return [schema.const];
  const members = schema.anyOf;
  if (!Array.isArray(members)) return undefined;
  const literals = members.map((member: unknown) => (isObject(member) ? member.const : undefined));
  if (literals.some((literal) => typeof literal !== "string")) {
    throw new Error(`a CRD can only have a union of string literals, not ${JSON.stringify(schema)}`);
  }
  return literals;
};

/** The structural schema of `schema`, which is a plain JSON Schema as TypeBox builds it. */
export const structural = (schema: unknown): Structural => {
  if (!isObject(schema)) throw new Error(`not a schema: ${JSON.stringify(schema)}`);
  const { anyOf, const: _, crdFormat, patternProperties, properties, items, $id, ...rest } = schema;
  const literals = literalsOf(schema);
  if (literals !== undefined) return { type: "string", enum: literals, ...rest };
  return {
    ...rest,
    ...(crdFormat === undefined ? {} : { format: crdFormat }),
    ...(isObject(properties)
      ? {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, property]) => [name, structural(property)]),
          ),
        }
      : {}),
    ...(isObject(patternProperties)
      ? { additionalProperties: structural(Object.values(patternProperties)[0]) }
      : {}),
    ...(items === undefined ? {} : { items: structural(items) }),
  };
};

/** What a CRD says beside its schemas. */
interface Definition {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: TSchema;
  readonly status: TSchema;
  readonly columns: readonly Record<string, unknown>[];
  /** Rules over the whole object, in CEL. */
  readonly rules?: readonly { readonly rule: string; readonly message: string }[];
  /** Where the scale subresource finds its counts. */
  readonly scale?: { readonly specReplicasPath: string; readonly statusReplicasPath: string };
}

const crd = (definition: Definition): Record<string, unknown> => {
  const { group, kind, plural, singular, shortNames, description, spec, status, columns, scale, rules } =
    definition;
  // An empty spec can only be the default where it is a valid one.
  const required = Array.isArray(spec.required) && spec.required.length > 0;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      labels: { "app.kubernetes.io/part-of": "keyswitch" },
    },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        shortNames,
        categories: ["keyswitch"],
      },
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          subresources: { status: {}, ...(scale === undefined ? {} : { scale }) },
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: "object",
              description,
              ...(required ? { required: ["spec"] } : {}),
              ...(rules === undefined ? {} : { "x-kubernetes-validations": rules }),
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: {
                  description: "What shall be.",
                  ...structural(spec),
                  ...(required ? {} : { default: {} }),
                },
                status: { description: "What is; Keyswitch writes it.", ...structural(status) },
              },
            },
          },
        },
      ],
    },
  };
};

/** Every CRD of the project: the file below manifests/crds/ and the object. */
export const CRDS: Readonly<Record<string, Record<string, unknown>>> = {
  "hsmdevice/hsmdevices.yaml": crd({
    group: "hsm.j5t.io",
    kind: "HSMDevice",
    plural: "hsmdevices",
    singular: "hsmdevice",
    shortNames: ["hsmdev"],
    description: "HSMs of one kind on the nodes of the cluster, each with an agent of its own.",
    spec: HSMDeviceSpec,
    status: HSMDeviceStatus,
    columns: [
      { name: "Type", type: "string", jsonPath: ".spec.deviceType" },
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Devices", type: "string", jsonPath: ".status.devices" },
      { name: "Primary", type: "string", jsonPath: ".status.primary" },
      {
        name: "Mirrored",
        type: "string",
        jsonPath: '.status.conditions[?(@.type=="Mirrored")].status',
      },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
      { name: "Message", type: "string", jsonPath: ".status.message", priority: 1 },
    ],
  }),
  "hsmsecrets.yaml": crd({
    group: "hsm.j5t.io",
    kind: "HSMSecret",
    plural: "hsmsecrets",
    singular: "hsmsecret",
    shortNames: ["hsmsec"],
    description: "A path on a PKCS#11 token whose content becomes a Secret.",
    spec: HSMSecretSpec,
    status: HSMSecretStatus,
    columns: [
      { name: "Secret", type: "string", jsonPath: ".status.secretRef.name" },
      {
        name: "Ready",
        type: "string",
        jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      },
      {
        name: "Reason",
        type: "string",
        jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      },
      { name: "Status", type: "string", jsonPath: ".status.syncStatus" },
      { name: "Last Sync", type: "date", jsonPath: ".status.lastSyncTime" },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
      { name: "Device", type: "string", jsonPath: ".status.device", priority: 1 },
      { name: "Path", type: "string", jsonPath: ".status.hsmPath", priority: 1 },
      { name: "Error", type: "string", jsonPath: ".status.lastError", priority: 1 },
    ],
  }),
  "toggles.yaml": crd({
    group: "toggle.j5t.io",
    kind: "Toggle",
    plural: "toggles",
    singular: "toggle",
    shortNames: ["tgl"],
    description:
      "A switch for one Deployment or StatefulSet: off is 0 replicas, on is the count that it had.",
    spec: ToggleSpec,
    status: ToggleStatus,
    rules: [
      {
        rule: "!has(self.spec.dependsOn) || !(self.metadata.name in self.spec.dependsOn)",
        message: "spec.dependsOn must not name the Toggle itself",
      },
    ],
    scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
    columns: [
      { name: "Enabled", type: "boolean", jsonPath: ".spec.enabled" },
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Desired", type: "integer", jsonPath: ".status.desiredReplicas" },
      { name: "Ready", type: "integer", jsonPath: ".status.readyReplicas" },
      { name: "Available", type: "integer", jsonPath: ".status.availableReplicas" },
      { name: "Until", type: "string", jsonPath: ".spec.until" },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
      { name: "Decided By", type: "string", jsonPath: ".status.decidedBy", priority: 1 },
      { name: "Next Change", type: "string", jsonPath: ".status.nextChange.time", priority: 1 },
      { name: "Deployment", type: "string", jsonPath: ".status.deploymentName", priority: 1 },
      { name: "Requested By", type: "string", jsonPath: ".spec.requestedBy", priority: 1 },
      { name: "Message", type: "string", jsonPath: ".status.message", priority: 1 },
    ],
  }),
};

const HEADER =
  "# SPDX-License-Identifier: Apache-2.0\n# Generated from hooks/ by `npm run generate`; do not edit.\n";

/** The text of the file `name` below manifests/crds/. */
export const crdText = (name: string): string => {
  const object = CRDS[name];
  if (object === undefined) throw new Error(`no CRD ${name}`);
  // Through JSON, which drops the symbols that TypeBox puts on its schemas.
  const plain: unknown = JSON.parse(JSON.stringify(object));
  // kubectl reads YAML 1.1, in which a plain Off is false.
  return HEADER + stringify(plain, { lineWidth: 110, aliasDuplicateObjects: false, compat: "yaml-1.1" });
};
