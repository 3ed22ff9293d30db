// SPDX-License-Identifier: Apache-2.0
// Registers the resources of this server, with their names and behaviour, and looks them up.
import type { Cause } from "./api-status.ts";
import type { KubeObject } from "./kube-object.ts";
import type { Schema } from "./schema/schema.ts";

/** A printer column; `path` is a JSONPath relative to the object, `value` computes a built-in kind's cell. */
export type Column = {
  name: string;
  type: string;
  format?: string;
  description?: string;
  priority?: number;
  path?: string;
  value?: (object: KubeObject, now: Date) => string | number | boolean | null;
};

type ScalePaths = { spec: string[]; status: string[]; labelSelector: string[] | undefined };

/** What a kind adds to the common handling. Each function may change the object that it is given. */
export type KindBehaviour = {
  /** Rewrites what a client may write in two ways, before anything else looks at it. */
  normalise?: (object: KubeObject) => void;
  /** Fills in defaults that a schema cannot say. */
  setDefaults?: (object: KubeObject) => void;
  /** Last changes before a create or an update is stored; `old` is absent on create. */
  prepare?: (object: KubeObject, old: KubeObject | undefined, now: Date) => void;
  /** Faults beyond the schema; `old` is absent on create. */
  validate?: (object: KubeObject, old: KubeObject | undefined) => Cause[];
  /** What a field selector may ask for beside metadata.name and metadata.namespace. */
  selectable?: (object: KubeObject) => { [field: string]: string };
};

export type ResourceKind = {
  group: string;
  version: string;
  kind: string;
  listKind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  schema: Schema;
  /** True where the schema is enforced by pruning and messages as for CustomResourceDefinitions. */
  custom: boolean;
  statusSubresource: boolean;
  scale: ScalePaths | undefined;
  /** True where metadata.generation counts changes of anything but metadata and status. */
  countsGeneration: boolean;
  columns: Column[];
  behaviour: KindBehaviour;
  verbs: string[];
};

export const everyVerb = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** `group/version`, or `v1` for the core group. */
export const apiVersionOf = (kind: { group: string; version: string }): string =>
  kind.group ? `${kind.group}/${kind.version}` : kind.version;

/** The name of a resource's storage; versions of one resource share it. */
export const bucketOf = (kind: { group: string; plural: string }): string => `${kind.group}/${kind.plural}`;

/** The served resources by group, version and plural name. */
export class Registry {
  readonly #kinds = new Map<string, ResourceKind>();
  #revision = 0;

  /** Changes whenever the served kinds do. */
  get revision(): number {
    return this.#revision;
  }

  add(kind: ResourceKind): void {
    this.#revision += 1;
    this.#kinds.set(`${apiVersionOf(kind)}/${kind.plural}`, kind);
  }

  remove(kind: ResourceKind): void {
    this.#revision += 1;
    this.#kinds.delete(`${apiVersionOf(kind)}/${kind.plural}`);
  }

  find(group: string, version: string, plural: string): ResourceKind | undefined {
    return this.#kinds.get(`${apiVersionOf({ group, version })}/${plural}`);
  }

  findKind(apiVersion: string, kind: string): ResourceKind | undefined {
    return this.all().find((entry) => apiVersionOf(entry) === apiVersion && entry.kind === kind);
  }

  /** One kind for a storage bucket, whichever version. */
  findBucket(bucket: string): ResourceKind | undefined {
    return this.all().find((entry) => bucketOf(entry) === bucket);
  }

  all(): ResourceKind[] {
    return [...this.#kinds.values()];
  }

  ofGroupVersion(apiVersion: string): ResourceKind[] {
    return this.all().filter((entry) => apiVersionOf(entry) === apiVersion);
  }
}
