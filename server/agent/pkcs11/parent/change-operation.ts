// SPDX-License-Identifier: Apache-2.0
// Builds the message that asks the child for a change.
import type { Origin } from "../../storage/stamp.ts";
import type { Change, Precondition } from "../../store.ts";
import type { ChangeOperation } from "../messages.ts";

const changeOf = (change: Change): ChangeOperation["change"] =>
  change.type === "put"
    ? { ...change, data: [...change.data] }
    : change.type === "patch"
      ? { ...change, data: [...change.data] }
      : change.type === "copy"
        ? { ...change, data: [...change.data] }
        : change;

const originOf = ({ epoch, replaces = [] }: Origin): NonNullable<ChangeOperation["origin"]> => ({
  epoch,
  replaces: replaces.map(({ history, ...stamp }) => ({
    ...stamp,
    history: history.map(([before, version]) => [before, version]),
  })),
});

const tags = (named: readonly string[] | "*"): string[] | "*" => (named === "*" ? named : [...named]);

/** The operation for `change`, all but what is known only when it is its turn. */
export const changeOperation = (
  path: string,
  change: Change,
  { ifMatch, ifNoneMatch }: Precondition,
  origin: Origin | undefined,
): Pick<ChangeOperation, "type" | "path" | "change" | "precondition" | "origin"> => ({
  type: "change",
  path,
  change: changeOf(change),
  precondition: {
    ...(ifMatch && { ifMatch: tags(ifMatch) }),
    ...(ifNoneMatch && { ifNoneMatch: tags(ifNoneMatch) }),
  },
  ...(origin && { origin: originOf(origin) }),
});
