// SPDX-License-Identifier: Apache-2.0
// Matches objects against a rule of a customize response. In hook version v2 a rule without a namespace selects from every
// namespace.
import type { KubeObject, ResourceInfo } from "../client.ts";
import type { RelatedRule } from "./hook-answer.ts";
import { selects } from "./label-selector.ts";
import { fault, type Outcome, ok } from "./outcome.ts";

/** A fault where the rule mixes ways of selecting that exclude each other. */
export const checkedRule = (rule: RelatedRule, resource: ResourceInfo): Outcome<RelatedRule> => {
  const { names, labelSelector, namespace, namespaceSelector } = rule;
  const at = `related rule for ${rule.apiVersion}/${rule.resource}`;
  if (names?.length && (labelSelector || namespaceSelector)) {
    return fault(`${at} cannot have both names and labelSelector/namespaceSelector`);
  }
  if (namespace && namespaceSelector) {
    return fault(`${at} cannot have both namespace and namespaceSelector`);
  }
  if (namespaceSelector && !resource.namespaced) {
    return fault(`${at}: namespaceSelector is only supported for namespaced related resources`);
  }
  return ok(rule);
};

/** True where the rule selects the object; `namespaceLabels` gives the labels of a namespace that exists. */
export const isRelated = (
  rule: RelatedRule,
  object: KubeObject,
  namespaceLabels: (namespace: string) => { [name: string]: string } | undefined,
): boolean => {
  const { namespace = "", name = "", labels } = object.metadata;
  if (namespace !== "" && rule.namespace && rule.namespace !== namespace) return false;
  if (rule.names?.length && !rule.names.includes(name)) return false;
  if (rule.labelSelector && !selects(rule.labelSelector, labels)) return false;
  if (!rule.namespaceSelector) return true;
  const ofNamespace = namespaceLabels(namespace);
  return ofNamespace !== undefined && selects(rule.namespaceSelector, ofNamespace);
};
