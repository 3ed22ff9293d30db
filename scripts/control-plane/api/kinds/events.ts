// SPDX-License-Identifier: Apache-2.0
// Implements Events and their field selectors.
import { stringOf, valueAt } from "../json.ts";
import type { KindBehaviour } from "../registry.ts";

const involved = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

export const eventBehaviour: KindBehaviour = {
  selectable: (event) => {
    const text = (path: string[]) => stringOf(valueAt(event, path)) ?? "";
    return {
      ...Object.fromEntries(
        involved.map((name) => [`involvedObject.${name}`, text(["involvedObject", name])]),
      ),
      reason: text(["reason"]),
      reportingComponent: text(["reportingComponent"]) || text(["source", "component"]),
      source: text(["source", "component"]),
      type: text(["type"]),
    };
  },
};
