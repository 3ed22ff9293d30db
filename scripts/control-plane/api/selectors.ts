// SPDX-License-Identifier: Apache-2.0
// Label and field selectors: parsing and matching.
import { badRequest } from "./api-status.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ResourceKind } from "./registry.ts";

export type Matcher = (object: KubeObject) => boolean;
type LabelTest = (labels: { [key: string]: string }) => boolean;

const key = "[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?";
const setExpression = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^)]*)\\)$`);
const equality = new RegExp(`^(${key})\\s*(==|=|!=)\\s*([A-Za-z0-9._-]*)$`);
const exists = new RegExp(`^(!?)\\s*(${key})$`);

const labelTest = (text: string): LabelTest => {
  const set = setExpression.exec(text);
  if (set) {
    const [, name = "", , operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    if (operator === "in") {
      return (labels) => labels[name] !== undefined && values.includes(labels[name]);
    }
    return (labels) => labels[name] === undefined || !values.includes(labels[name]);
  }
  const equal = equality.exec(text);
  if (equal) {
    const [, name = "", , operator, value = ""] = equal;
    return operator === "!=" ? (labels) => labels[name] !== value : (labels) => labels[name] === value;
  }
  const presence = exists.exec(text);
  if (presence) {
    const [, not, name = ""] = presence;
    return (labels) => (labels[name] === undefined) === (not === "!");
  }
  throw badRequest(`unable to parse requirement: "${text}" is not a label selector`);
};

/** A matcher for `a=b,c!=d,e in (f,g),!h`; an empty text matches everything. */
export const labelSelector = (text: string): Matcher => {
  const tests = text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(labelTest);
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}));
};

/** A matcher for `metadata.name=x,type!=y`; a field the kind does not offer is a 400. */
const fieldSelector = (text: string, kind: ResourceKind): Matcher => {
  const tests = text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const match = /^\s*([A-Za-z0-9_.[\]-]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part);
      if (!match) {
        throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
      }
      const [, field = "", operator, value] = match;
      return { field, negative: operator === "!=", value };
    });
  for (const { field } of tests) {
    if (field === "metadata.name" || (field === "metadata.namespace" && kind.namespaced)) continue;
    const sample: KubeObject = { apiVersion: "", kind: "", metadata: {} };
    if (!(field in (kind.behaviour.selectable?.(sample) ?? {}))) {
      throw badRequest(`field label not supported: ${field}`);
    }
  }
  return (object) => {
    const fields: { [field: string]: string } = {
      "metadata.name": object.metadata.name ?? "",
      "metadata.namespace": object.metadata.namespace ?? "",
      ...kind.behaviour.selectable?.(object),
    };
    return tests.every(({ field, negative, value }) => (fields[field] === value) !== negative);
  };
};

/** The matcher of a request's labelSelector and fieldSelector parameters. */
export const requestMatcher = (query: URLSearchParams, kind: ResourceKind): Matcher => {
  const byLabel = labelSelector(query.get("labelSelector") ?? "");
  const byField = fieldSelector(query.get("fieldSelector") ?? "", kind);
  return (object) => byLabel(object) && byField(object);
};
