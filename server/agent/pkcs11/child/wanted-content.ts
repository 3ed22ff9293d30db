// SPDX-License-Identifier: Apache-2.0
// Computes a path's content after a change, and the result to report once it is written.
import { checksum } from "../../../../hooks/checksum.ts";
import { applyChange } from "../../apply-change.ts";
import { isShared } from "../../storage/per-key.ts";
import { type Decoded, highestVersion } from "../../storage/secret.ts";
import type { PlannedContent } from "../../storage/write-plan.ts";
import type { Change } from "../../store.ts";
import type { Answer } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";
import type { ReadObject } from "./objects.ts";

type Outcome = Extract<Answer, { kind: "written" | "deleted" }>;

const changeOf = ({ change }: ChangeOperation): Change => {
  switch (change.type) {
    case "put":
      return { ...change, data: new Map(change.data) };
    case "patch":
      return { ...change, data: new Map(change.data) };
    default:
      return change;
  }
};

/** Whether the change makes sense where what is there can't be understood: it replaces or removes all of it. */
export const isRepair = ({ change, precondition }: ChangeOperation): boolean =>
  (change.type === "put" || change.type === "delete") &&
  precondition.ifMatch === undefined &&
  precondition.ifNoneMatch === undefined;

/** The answer to a change that has made `wanted` of `current`. */
export const outcomeOf = (
  current: Decoded,
  wanted: PlannedContent | undefined,
  operation: ChangeOperation,
): Outcome => {
  const before = current.kind === "found" ? current.checksum : null;
  if (wanted === undefined || wanted.data.size === 0) return { kind: "deleted", before };
  const { data, version } = wanted;
  const outcome =
    operation.change.type === "repack" ? "repacked" : current.kind === "absent" ? "created" : "changed";
  return {
    kind: "written",
    outcome,
    before,
    checksum: checksum(data),
    version,
    keys: [...data.keys()].sort(),
  };
};

/** The content and layout that the path shall have, undefined for none; or the answer where nothing is to be written. */
export const wantedOf = (
  operation: ChangeOperation,
  current: Decoded,
  objects: readonly ReadObject[],
): { wanted: PlannedContent | undefined; version: number } | Answer => {
  const asked = changeOf(operation);
  const intent =
    current.kind === "invalid" && asked.type === "delete"
      ? { kind: "delete" as const }
      : applyChange(current.kind === "found" ? current : undefined, asked, operation.precondition);
  if (intent.kind === "done") return intent.result;
  const version = Math.max(highestVersion(operation.path, objects), operation.versionFloor) + 1;
  const shared = isShared(operation.path, objects) ? { timestamp: operation.now } : {};
  if (intent.kind === "delete") {
    const tombstone = { data: new Map(), metadata: {}, layout: "per-key", version, ...shared } as const;
    return { wanted: "timestamp" in shared ? tombstone : undefined, version };
  }
  const { data, metadata } = intent.content;
  const layout = intent.layout ?? operation.layout;
  const created = current.kind === "found" ? {} : { createdAt: operation.now };
  return { wanted: { data, metadata: { ...created, ...metadata }, layout, version, ...shared }, version };
};
