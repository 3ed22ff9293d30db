// SPDX-License-Identifier: Apache-2.0
// Defines a custom kind that uses every feature of CustomResourceDefinitions which the tests check.
import type { JsonObject } from "../../api/json.ts";

export const gadgetDefinition: JsonObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "gadgets.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural: "gadgets", kind: "Gadget", shortNames: ["gd"], categories: ["all"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.count", statusReplicasPath: ".status.count" },
        },
        additionalPrinterColumns: [
          { name: "Size", type: "integer", jsonPath: ".spec.size" },
          { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: "Colour", type: "string", jsonPath: ".spec.colour", priority: 1 },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        ],
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: "A gadget is only there for tests.",
            properties: {
              spec: {
                type: "object",
                description: "What is wanted.",
                required: ["colour"],
                properties: {
                  size: {
                    type: "integer",
                    minimum: 1,
                    maximum: 10,
                    default: 3,
                    description: "How big it is.",
                  },
                  count: { type: "integer", format: "int32", default: 1 },
                  colour: { type: "string", enum: ["red", "green"] },
                  name: { type: "string", pattern: "^[a-z]+$", maxLength: 8, minLength: 2 },
                  when: { type: "string", format: "date-time" },
                  tags: {
                    type: "array",
                    maxItems: 3,
                    "x-kubernetes-list-type": "set",
                    items: { type: "string" },
                  },
                  parts: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                    items: {
                      type: "object",
                      required: ["id"],
                      properties: { id: { type: "string" }, weight: { type: "integer" } },
                    },
                  },
                  labels: { type: "object", additionalProperties: { type: "string" } },
                  free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  port: { "x-kubernetes-int-or-string": true },
                },
                "x-kubernetes-validations": [
                  {
                    rule: "!has(oldSelf.name) || (has(self.name) && self.name == oldSelf.name)",
                    message: "name is immutable",
                  },
                  {
                    rule: "self.size <= 5 || self.colour == 'red'",
                    messageExpression: "'size ' + string(self.size) + ' needs red'",
                    fieldPath: ".size",
                  },
                ],
              },
              status: {
                type: "object",
                properties: {
                  count: { type: "integer" },
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: {
                      type: "object",
                      required: ["type"],
                      properties: { type: { type: "string" }, status: { type: "string" } },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** A Gadget as a client sends it. */
export const gadget = (
  name: string,
  spec: JsonObject = { colour: "red" },
  metadata: JsonObject = {},
): JsonObject => ({
  apiVersion: "example.org/v1",
  kind: "Gadget",
  metadata: { name, namespace: "demo", ...metadata },
  spec,
});

export const gadgets = "/apis/example.org/v1/namespaces/demo/gadgets";

/** A Deployment as a client sends it. */
export const deployment = (name: string, container: JsonObject = {}, spec: JsonObject = {}): JsonObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace: "demo", labels: { app: name } },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: "x", image: "x", ...container }] },
    },
    ...spec,
  },
});

export const deployments = "/apis/apps/v1/namespaces/demo/deployments";
