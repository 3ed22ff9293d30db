// SPDX-License-Identifier: Apache-2.0
// Tells which Deployment or StatefulSet a Toggle is for, what is wrong with how its spec says so, and whether the engine shows those.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { enumeration } from "../enumeration.ts";
import { DNS_SUBDOMAIN, MAX_NAME } from "../formats.ts";
import type { AnyObject } from "../kubernetes.ts";

export const KINDS = ["Deployment", "StatefulSet"] as const;
export type Kind = (typeof KINDS)[number];

/** Where a request has the objects of a kind. */
export const groupOf = (kind: Kind) => `${kind}.apps/v1` as const;

/** The resource of each kind, in apps/v1. */
export const RESOURCES: Readonly<Record<Kind, string>> = {
  Deployment: "deployments",
  StatefulSet: "statefulsets",
};

/** spec.targetRef. */
export const TargetRef = Type.Object(
  {
    kind: enumeration(KINDS, { description: "Kind of what is switched." }),
    name: Type.String({
      pattern: DNS_SUBDOMAIN,
      minLength: 1,
      maxLength: MAX_NAME,
      description: "Its name.",
    }),
  },
  {
    description: "What is switched, in the namespace of the Toggle. Default: the Deployment deploymentName.",
  },
);
export type TargetRef = Static<typeof TargetRef>;

/** Rules over the spec, in CEL. */
export const TARGET_RULES = [
  {
    rule: "!has(self.targetRef) || !has(self.deploymentName) || self.targetRef.name == self.deploymentName",
    message: "targetRef.name and deploymentName must not differ; leave deploymentName out",
  },
  {
    rule: "!has(self.targetRef) || !has(self.template) || self.targetRef.kind == 'Deployment'",
    message: "template makes Deployments alone; leave it out, or set targetRef.kind to Deployment",
  },
] as const;

/** As much of a Toggle as says what it is for; its schema is made of the one above. */
interface Aiming {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly targetRef?: TargetRef;
    readonly deploymentName?: string;
    readonly template?: object;
  };
}

/** What `parent` is for. */
export const targetOf = ({ metadata, spec }: Aiming): TargetRef =>
  spec.targetRef ?? { kind: "Deployment", name: spec.deploymentName ?? metadata.name };

/** A Deployment by its name, and a StatefulSet so that it can't be taken for one. */
export const targetText = (kind: Kind, name: string): string =>
  kind === "Deployment" ? name : `statefulset/${name}`;

const Shown = TypeCompiler.Compile(
  Type.Object({
    spec: Type.Object({ childResources: Type.Array(Type.Object({ resource: Type.String() })) }),
  }),
);

/**
 * The kinds that `controller`, the CompositeController, makes children of. One of an earlier version has no StatefulSets, and
 * its Metacontroller may have no right to see them: a rule that asks for them would hold up every Toggle.
 */
export const kindsOf = (controller: AnyObject): readonly Kind[] => {
  const children = Shown.Check(controller) ? controller.spec.childResources : [];
  const hasStatefulSets = children.some(({ resource }) => resource === RESOURCES.StatefulSet);
  return hasStatefulSets ? KINDS : ["Deployment"];
};

/** Why what `parent` is for can't be told or switched; nothing is switched then. */
export const targetFault = ({ spec }: Aiming, kinds: readonly Kind[]): string | undefined => {
  const { targetRef, deploymentName, template } = spec;
  if (targetRef === undefined) return undefined;
  if (deploymentName !== undefined && deploymentName !== targetRef.name) {
    return `spec.targetRef is for ${targetRef.name}, and spec.deploymentName for ${deploymentName}. Take one out.`;
  }
  if (targetRef.kind !== "Deployment" && template !== undefined) {
    return "spec.template makes Deployments alone. Take it out, or set spec.targetRef.kind to Deployment.";
  }
  return kinds.includes(targetRef.kind)
    ? undefined
    : `The CompositeController has no ${RESOURCES[targetRef.kind]} among its childResources. Install it as in manifests/.`;
};
