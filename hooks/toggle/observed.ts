// SPDX-License-Identifier: Apache-2.0
// Classifies the Deployments and StatefulSets in a Toggle's request: the named one, and others that it owns.
import { ownProperty, sortedEntries } from "../formats.ts";
import { controllerOf, isOwnedBy } from "../metadata.ts";
import type { Deployment } from "./deployment.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { ToggleSyncRequest } from "./schema.ts";
import { groupOf, KINDS } from "./target.ts";

/** What became of the name that the Toggle is for. */
export type Named =
  | { readonly kind: "ours"; readonly deployment: Deployment }
  /** It matches and has no controller: Metacontroller adopts it at its next sync. */
  | { readonly kind: "unclaimed"; readonly deployment: Deployment }
  /** It is being deleted. */
  | { readonly kind: "leaving"; readonly deployment: Deployment }
  /** Another controller owns it, or the selector does not match it. */
  | { readonly kind: "foreign"; readonly deployment: Deployment; readonly owner?: string }
  | { readonly kind: "absent" }
  /** Without a customize hook nobody says who has the name. */
  | { readonly kind: "unknown" };

export interface Observed {
  readonly named: Named;
  /** Every child beside the named Deployment if that is ours: each must be in the answer. */
  readonly others: readonly Deployment[];
  /** Owned Deployments that Metacontroller does not show as children, because their labels match no more. */
  readonly hidden: readonly Deployment[];
}

const matches = (deployment: Deployment, spec: ResolvedSpec): boolean =>
  Object.entries(spec.matchLabels).every(([key, value]) => deployment.metadata.labels?.[key] === value);

/** Whose Deployment the one of the name is; `isChild` where Metacontroller has claimed it for us. */
const whose = (deployment: Deployment, isChild: boolean, uid: string, spec: ResolvedSpec): Named => {
  const controller = controllerOf(deployment);
  if (controller !== undefined && controller.uid !== uid) {
    return { kind: "foreign", deployment, owner: `${controller.kind} ${controller.name}` };
  }
  if (!isChild && !matches(deployment, spec)) return { kind: "foreign", deployment };
  if (deployment.metadata.deletionTimestamp !== undefined) return { kind: "leaving", deployment };
  // A child may be shown without our reference: it has just been adopted.
  return { kind: isChild || controller !== undefined ? "ours" : "unclaimed", deployment };
};

/** Whether `deployment` is the one that `spec` is for. */
export const isNamed = (
  deployment: Deployment,
  spec: Pick<ResolvedSpec, "kind" | "deploymentName">,
): boolean => deployment.kind === spec.kind && deployment.metadata.name === spec.deploymentName;

/** Reads the children and the related objects of `request`. */
export const observe = (request: ToggleSyncRequest, spec: ResolvedSpec): Observed => {
  const { namespace, uid } = request.parent.metadata;
  const key = `${namespace}/${spec.deploymentName}`;
  const children = request.children[groupOf(spec.kind)] ?? {};
  const related = request.related[groupOf(spec.kind)];
  const child = ownProperty(children, key);
  const deployment = child ?? (related && ownProperty(related, key));
  const nobody: Named = { kind: related === undefined ? "unknown" : "absent" };
  const named = deployment === undefined ? nobody : whose(deployment, child !== undefined, uid, spec);
  return {
    named,
    others: KINDS.flatMap((kind) =>
      sortedEntries(request.children[groupOf(kind)] ?? {})
        .filter(([name]) => kind !== spec.kind || name !== key || named.kind !== "ours")
        .map(([, other]) => other),
    ),
    hidden: KINDS.flatMap((kind) => {
      const shown = request.children[groupOf(kind)] ?? {};
      return sortedEntries(request.related[groupOf(kind)] ?? {})
        .filter(([name, other]) => ownProperty(shown, name) === undefined && isOwnedBy(other, uid))
        .map(([, other]) => other);
    }),
  };
};
