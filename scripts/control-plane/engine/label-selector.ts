// SPDX-License-Identifier: Apache-2.0
// Defines metav1.LabelSelector: its schema, and whether the labels of an object match it.
import { type Static, Type } from "@sinclair/typebox";

export const LabelSelector = Type.Object({
  matchLabels: Type.Optional(Type.Record(Type.String(), Type.String())),
  matchExpressions: Type.Optional(
    Type.Array(
      Type.Object({
        key: Type.String(),
        operator: Type.Union([
          Type.Literal("In"),
          Type.Literal("NotIn"),
          Type.Literal("Exists"),
          Type.Literal("DoesNotExist"),
        ]),
        values: Type.Optional(Type.Array(Type.String())),
      }),
    ),
  ),
});
export type LabelSelector = Static<typeof LabelSelector>;

export type Labels = { [name: string]: string };

/** True where the labels meet every part; an empty selector matches everything. */
export const selects = (selector: LabelSelector, labels: Labels = {}): boolean => {
  const wanted = Object.entries(selector.matchLabels ?? {});
  if (!wanted.every(([name, value]) => labels[name] === value)) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
    }
    return false;
  });
};

/** True where the selector has no part at all. */
export const isEmpty = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
