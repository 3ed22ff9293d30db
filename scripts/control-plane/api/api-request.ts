// SPDX-License-Identifier: Apache-2.0
// Defines the input and output of a verb: the parsed request, the server's state, and the reply.
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { Registry, ResourceKind } from "./registry.ts";
import type { Matcher } from "./selectors.ts";
import type { Store } from "./store.ts";

/** The server's state and clock. */
export type ApiContext = {
  store: Store;
  registry: Registry;
  now: () => Date;
};

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** Options that writing requests share. */
export type WriteOptions = {
  /** Owner of the fields that change, as managedFields shows it. */
  manager: string;
  dryRun: boolean;
  fieldValidation: FieldValidation;
  /** Takes fields from other managers; server-side apply only. */
  force: boolean;
  /** Texts for Warning headers. */
  warnings: string[];
};

export type ApiRequest = {
  kind: ResourceKind;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
  method: string;
  query: URLSearchParams;
  /** Media type of the body without parameters. */
  contentType: string;
  body: Json | undefined;
  options: WriteOptions;
};

export type WatchReply = {
  reply: "watch";
  kind: ResourceKind;
  namespace: string | undefined;
  matches: Matcher;
  /** Version to start after; undefined starts with the present state. */
  since: number | undefined;
  bookmarks: boolean;
  /** Send the present state first and mark its end with a bookmark. */
  initialEvents: boolean;
  timeoutSeconds: number | undefined;
};

export type Reply =
  | { reply: "object"; code: number; kind: ResourceKind; object: KubeObject }
  | { reply: "list"; kind: ResourceKind; objects: KubeObject[]; version: number }
  | { reply: "body"; code: number; body: JsonObject }
  | WatchReply;
