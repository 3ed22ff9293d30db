// SPDX-License-Identifier: Apache-2.0
// Converts a change into the message for the child, in types that structured clone keeps.
import type { Change, Precondition } from "../../store.ts";
import type { ChangeOperation } from "../messages.ts";

const changeOf = (change: Change): ChangeOperation["change"] =>
  change.type === "put"
    ? { ...change, data: [...change.data] }
    : change.type === "patch"
      ? { ...change, data: [...change.data] }
      : change;

const tags = (named: readonly string[] | "*"): string[] | "*" => (named === "*" ? named : [...named]);

/** The operation for `change`, all but what is known only when it is its turn. */
export const changeOperation = (
  path: string,
  change: Change,
  { ifMatch, ifNoneMatch }: Precondition,
): Pick<ChangeOperation, "type" | "path" | "change" | "precondition"> => ({
  type: "change",
  path,
  change: changeOf(change),
  precondition: {
    ...(ifMatch && { ifMatch: tags(ifMatch) }),
    ...(ifNoneMatch && { ifNoneMatch: tags(ifNoneMatch) }),
  },
});
