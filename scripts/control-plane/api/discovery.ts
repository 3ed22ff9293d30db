// SPDX-License-Identifier: Apache-2.0
// Serves discovery: /api, /apis and the resource list of each group version.
import type { JsonObject } from "./json.ts";
import { apiVersionOf, type Registry, type ResourceKind } from "./registry.ts";

const subresources = (kind: ResourceKind): JsonObject[] => {
  const entry = (name: string, verbs: string[], more: JsonObject): JsonObject => ({
    name: `${kind.plural}/${name}`,
    singularName: "",
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs,
    ...more,
  });
  return [
    ...(kind.statusSubresource ? [entry("status", ["get", "patch", "update"], {})] : []),
    ...(kind.scale
      ? [entry("scale", ["get", "patch", "update"], { group: "autoscaling", version: "v1", kind: "Scale" })]
      : []),
  ];
};

/** metav1.APIResourceList of one group version, or undefined where nothing is served. */
export const resourceList = (registry: Registry, apiVersion: string): JsonObject | undefined => {
  const kinds = registry.ofGroupVersion(apiVersion);
  if (kinds.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersion,
    resources: kinds.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: kind.verbs,
        ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
        ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
      },
      ...subresources(kind),
    ]),
  };
};

/** metav1.APIVersions, the answer of /api. */
export const coreVersions = (): JsonObject => ({
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [],
});

const groups = (registry: Registry): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const kind of registry.all()) {
    if (kind.group === "") continue;
    const versions = found.get(kind.group) ?? [];
    if (!versions.includes(kind.version)) versions.push(kind.version);
    found.set(kind.group, versions);
  }
  return found;
};

const groupBody = (name: string, versions: string[]): JsonObject => {
  const entries = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
};

/** metav1.APIGroupList, the answer of /apis. */
export const groupList = (registry: Registry): JsonObject => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: [...groups(registry)].map(([name, versions]) => groupBody(name, versions)),
});

/** metav1.APIGroup, the answer of /apis/<group>. */
export const groupInfo = (registry: Registry, name: string): JsonObject | undefined => {
  const versions = groups(registry).get(name);
  return versions && { kind: "APIGroup", apiVersion: "v1", ...groupBody(name, versions) };
};

/** apidiscovery.k8s.io/v2 APIGroupDiscoveryList for the core group or for all others. */
export const aggregatedDiscovery = (registry: Registry, core: boolean): JsonObject => {
  const byGroup = core ? new Map([["", ["v1"]]]) : groups(registry);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: [...byGroup].map(([group, versions]) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map((version) => ({
        version,
        freshness: "Current",
        resources: registry.ofGroupVersion(apiVersionOf({ group, version })).map(aggregatedResource),
      })),
    })),
  };
};

const aggregatedResource = (kind: ResourceKind): JsonObject => {
  const { group, version } = kind;
  const subs: JsonObject[] = [
    ...(kind.statusSubresource
      ? [
          {
            subresource: "status",
            responseKind: { group, version, kind: kind.kind },
            verbs: ["get", "patch", "update"],
          },
        ]
      : []),
    ...(kind.scale
      ? [
          {
            subresource: "scale",
            responseKind: { group: "autoscaling", version: "v1", kind: "Scale" },
            verbs: ["get", "patch", "update"],
          },
        ]
      : []),
  ];
  return {
    resource: kind.plural,
    responseKind: { group, version, kind: kind.kind },
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(subs.length > 0 ? { subresources: subs } : {}),
  };
};
