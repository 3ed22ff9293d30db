// SPDX-License-Identifier: Apache-2.0
// The structs of definitions and of Metacontroller's CompositeController, v1alpha1 of release 4.17.
import type { Structs } from "./struct-schema.ts";

/** How a webhook is reached and trusted; a hook has these fields, and so does an entry of endpointConfigs. */
const connection = {
  caBundle: "&WebhookCaBundle",
  clientTLS: "&WebhookClientTls",
  authorization: "&WebhookAuthorization",
  basicAuth: "&WebhookBasicAuth",
};

export const controllerTypes: Structs = {
  CustomResourceDefinition: { fields: { spec: "CustomResourceDefinitionSpec!", status: "any" } },
  CustomResourceDefinitionSpec: {
    fields: {
      group: "string!",
      names: "CustomResourceDefinitionNames!",
      scope: "string!",
      versions: "CustomResourceDefinitionVersion[]!",
      conversion: '&any = {"strategy":"None"}',
      preserveUnknownFields: "bool",
    },
  },
  CustomResourceDefinitionNames: {
    fields: {
      plural: "string!",
      singular: "string",
      shortNames: "string[]",
      kind: "string!",
      listKind: "string",
      categories: "string[]",
    },
  },
  CustomResourceDefinitionVersion: {
    fields: {
      name: "string!",
      served: "bool!",
      storage: "bool!",
      deprecated: "bool",
      deprecationWarning: "string",
      schema: "&CustomResourceValidation",
      subresources: "&CustomResourceSubresources",
      additionalPrinterColumns: "CustomResourceColumnDefinition[]",
      selectableFields: "SelectableField[]",
    },
  },
  CustomResourceValidation: { fields: { openAPIV3Schema: "&any" } },
  CustomResourceSubresources: { fields: { status: "&any", scale: "&CustomResourceSubresourceScale" } },
  CustomResourceSubresourceScale: {
    fields: { specReplicasPath: "string!", statusReplicasPath: "string!", labelSelectorPath: "string" },
  },
  CustomResourceColumnDefinition: {
    fields: {
      name: "string!",
      type: "string!",
      format: "string",
      description: "string",
      priority: "int",
      jsonPath: "string!",
    },
  },
  SelectableField: { fields: { jsonPath: "string!" } },
  CompositeController: {
    description: "CompositeController calls hooks that turn a parent object into its children.",
    fields: { spec: "&CompositeControllerSpec!", status: "any = {}" },
  },
  CompositeControllerSpec: {
    fields: {
      parentResource: "&ParentResourceRule!",
      childResources: "ChildResourceRule[]",
      hooks: "&CompositeControllerHooks",
      resyncPeriodSeconds: "int",
      generateSelector: "bool",
      endpointConfigs: "EndpointConfig[]",
    },
  },
  ParentResourceRule: {
    fields: {
      apiVersion: "string!",
      resource: "string!",
      labelSelector: "&LabelSelector",
      revisionHistory: "&RevisionHistory",
      ignoreStatusChanges: "bool",
    },
  },
  RevisionHistory: { fields: { fieldPaths: "string[]" } },
  ChildResourceRule: {
    fields: {
      apiVersion: "string!",
      resource: "string!",
      updateStrategy: "&ChildUpdateStrategy",
    },
  },
  ChildUpdateStrategy: { fields: { method: "string", statusChecks: "StatusChecks = {}" } },
  StatusChecks: { fields: { conditions: "StatusConditionCheck[]" } },
  StatusConditionCheck: { fields: { type: "string!", status: "string", reason: "string" } },
  CompositeControllerHooks: {
    fields: {
      customize: "&Hook",
      sync: "&Hook",
      finalize: "&Hook",
      preUpdateChild: "&Hook",
      postUpdateChild: "&Hook",
    },
  },
  Hook: { fields: { version: 'string = "v1"', webhook: "&Webhook" } },
  Webhook: {
    fields: {
      url: "string",
      timeout: "string",
      etag: "&WebhookEtag",
      path: "string",
      service: "&ServiceReference",
      responseUnMarshallMode: "string",
      ...connection,
    },
  },
  EndpointConfig: { fields: { host: "string!", ...connection } },
  WebhookEtag: { fields: { enabled: "bool", cacheTimeoutSeconds: "int", cacheCleanupSeconds: "int" } },
  ServiceReference: { fields: { name: "string!", namespace: "string!", port: "int", protocol: "string" } },
  WebhookCaBundle: {
    fields: { inline: "string", secretRef: "&WebhookFileRef", configMapRef: "&WebhookFileRef" },
  },
  WebhookClientTls: {
    fields: {
      secretRef: "WebhookSecretRef!",
      certKey: 'string = "tls.crt"',
      privateKeyKey: 'string = "tls.key"',
    },
  },
  WebhookAuthorization: { fields: { type: 'string = "Bearer"', secretRef: "WebhookKeyRef!" } },
  WebhookBasicAuth: {
    fields: {
      secretRef: "WebhookSecretRef!",
      usernameKey: 'string = "username"',
      passwordKey: 'string = "password"',
    },
  },
  WebhookSecretRef: { fields: { name: "string!", namespace: "string!" } },
  WebhookKeyRef: { fields: { name: "string!", namespace: "string!", key: "string!" } },
  WebhookFileRef: { fields: { name: "string!", namespace: "string!", key: 'string = "ca.crt"' } },
};
