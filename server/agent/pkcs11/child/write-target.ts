// SPDX-License-Identifier: Apache-2.0
// Decides what a path shall hold after a change, with which version and stamp. Runs in the child.
import { checksum } from "../../../../hooks/checksum.ts";
import { applyChange } from "../../apply-change.ts";
import { isShared } from "../../storage/per-key.ts";
import { type Decoded, highestVersion } from "../../storage/secret.ts";
import { stampOf, stampOfWrite, withStamp } from "../../storage/stamp.ts";
import type { PlannedContent } from "../../storage/write-plan.ts";
import type { Change } from "../../store.ts";
import type { Answer, BatchAnswer } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";
import type { ReadObject } from "./module-calls.ts";

export type Outcome = Extract<Answer, { kind: "written" | "deleted" }>;

const changeOf = ({ change }: ChangeOperation): Change => {
  switch (change.type) {
    case "put":
      return { ...change, data: new Map(change.data) };
    case "patch":
      return { ...change, data: new Map(change.data) };
    case "copy":
      return { ...change, data: new Map(change.data) };
    default:
      return change;
  }
};

/** Whether the change makes sense where what is there can't be understood: it replaces or removes all of it. */
export const isRepair = ({ change, precondition }: ChangeOperation): boolean =>
  (change.type === "put" || change.type === "copy" || change.type === "delete") &&
  precondition.ifMatch === undefined &&
  precondition.ifNoneMatch === undefined;

/** The answer to a change that has made `target` of `current`. */
export const outcomeOf = (
  current: Decoded,
  target: PlannedContent | undefined,
  operation: ChangeOperation,
): Outcome => {
  const before = current.kind === "found" ? current.checksum : null;
  if (target === undefined || target.data.size === 0) return { kind: "deleted", before };
  const { data, version } = target;
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

/** What the path shall have, undefined for none. `outranked`: for an instant what is there has a version that is not lower. */
type Target = { target: PlannedContent | undefined; version: number; outranked: boolean };

/** The content and layout that the path shall have; or the answer where nothing is to be written. */
export const targetOf = (
  operation: ChangeOperation,
  current: Decoded,
  objects: readonly ReadObject[],
): Target | BatchAnswer => {
  const asked = changeOf(operation);
  const intent =
    current.kind === "invalid" && asked.type === "delete"
      ? { kind: "delete" as const }
      : applyChange(current.kind === "found" ? current : undefined, asked, operation.precondition);
  if (intent.kind === "done") return intent.result;
  const highest = highestVersion(operation.path, objects);
  const stamp = stampOfWrite(
    current.kind === "found" ? stampOf(current.version, current.metadata) : undefined,
    operation.origin,
    Math.max(highest, operation.versionFloor),
  );
  const { version } = stamp;
  const shared = isShared(operation.path, objects) ? { timestamp: operation.now } : {};
  if (intent.kind === "delete") {
    const tombstone = { data: new Map(), metadata: {}, layout: "per-key", version, ...shared } as const;
    return { target: "timestamp" in shared ? tombstone : undefined, version, outranked: false };
  }
  const { data, metadata } = intent.content;
  const layout = intent.layout ?? operation.layout;
  if (intent.version !== undefined) {
    const target = { data, metadata, layout, version: intent.version, ...shared };
    return { target, version: intent.version, outranked: intent.version <= highest };
  }
  const created = current.kind === "found" ? {} : { createdAt: operation.now };
  const target = {
    data,
    metadata: { ...created, ...withStamp(metadata, stamp) },
    layout,
    version,
    ...shared,
  };
  return { target, version, outranked: false };
};
