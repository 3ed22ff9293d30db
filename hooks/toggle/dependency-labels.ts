// SPDX-License-Identifier: Apache-2.0
// Names the labels by which Toggles that depend on each other find each other's Deployments, and the rules that ask for these.
import { hash } from "node:crypto";
import type { StringMap } from "../kubernetes.ts";
import type { CustomizeResponse } from "../metacontroller.ts";
import type { Toggle } from "./schema.ts";
import { type Kind, RESOURCES } from "./target.ts";

type Rule = CustomizeResponse["relatedResources"][number];

/** Whose Deployment it is; on those alone that another Toggle depends on. */
const TOGGLE = "toggle.j5t.io/toggle";
/** Before the name of a Toggle: what the Deployment's own Toggle depends on. */
const DEPENDS_ON = "depends-on.toggle.j5t.io/";
const YES = "true";

/** The most characters of a label's value, and of its name behind the prefix. */
const MAX_LABEL = 63;
const DIGEST = 16;

/** The name of a Toggle as a label takes it: one that is too long is cut, and told apart by its digest. */
const labelled = (name: string): string =>
  name.length <= MAX_LABEL
    ? name
    : `${name.slice(0, MAX_LABEL - DIGEST - 1)}-${hash("sha256", name).slice(0, DIGEST)}`;

/** The label of a Deployment that others depend on, by the name of its Toggle. */
export const ownLabel = (name: string): StringMap => ({ [TOGGLE]: labelled(name) });

/** The label of a Deployment whose Toggle depends on the Toggle `name`. */
export const dependsOnLabel = (name: string): StringMap => ({ [`${DEPENDS_ON}${labelled(name)}`]: YES });

/** Whether `labels` has all of `wanted`. */
export const hasLabels = (labels: StringMap | undefined, wanted: StringMap): boolean =>
  Object.entries(wanted).every(([key, value]) => labels?.[key] === value);

/**
 * The rules of customize by which sync sees the Deployments of those that `parent` depends on, and of those that depend on it:
 * a Toggle can't know the latter, so every one asks. No rule asks for a Toggle: each status that is written would wake the other.
 */
export const dependencyRules = (
  { metadata: { name, namespace }, spec }: Toggle,
  kinds: readonly Kind[],
): Rule[] =>
  [dependsOnLabel(name), ...(spec.dependsOn ?? []).map(ownLabel)].flatMap((matchLabels) =>
    kinds.map((kind) => ({
      apiVersion: "apps/v1",
      resource: RESOURCES[kind],
      namespace,
      labelSelector: { matchLabels },
    })),
  );
