// SPDX-License-Identifier: Apache-2.0
// Tracks which version of the path the Secret's data come from, so that an older reading from a lagging agent is not applied.

import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { annotationOf } from "../metadata.ts";
import type { Assessment } from "./assessment.ts";
import { contentOf } from "./content.ts";
import { isUnedited, type OwnedSecret } from "./observed.ts";
import type { Reading } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** The annotation of a Secret: path, version and device of the reading that its data were made of. */
export const APPLIED = "hsm.j5t.io/applied";

const Applied = Type.Object({
  path: Type.String(),
  /** As the agent counts writes of the path; 0 where its writer does not count. */
  version: Type.Integer({ minimum: 0 }),
  device: Type.String(),
});

type Applied = Static<typeof Applied>;

const applied = TypeCompiler.Compile(Applied);

type Found = Extract<Reading, { outcome: "found" }>;

/** The annotation for data that were made of `reading`. */
export const appliedText = ({ hsmPath }: ResolvedSpec, { version, device }: Found): string =>
  JSON.stringify({ path: hsmPath, version, device });

/** What was last read or applied of the path: by the status, or by the Secret, which a status may lag behind. */
const lastKnown = ({ spec: { hsmPath: path }, before, observed }: Assessment): Applied | undefined => {
  const noted = observed.owned && annotationOf(observed.owned.secret, APPLIED, applied);
  const { hsmPath, lastReading } = before;
  const read = hsmPath === path && lastReading !== undefined ? { path, ...lastReading } : undefined;
  if (noted?.path !== path) return read;
  return read !== undefined && read.version > noted.version ? read : noted;
};

/** Whether `owned` holds what a sync last called synced under this generation of the spec. */
export const isAsSynced = (
  { parent, spec, before, context }: Assessment,
  { secret, whole }: OwnedSecret,
): boolean =>
  before.syncStatus === "InSync" &&
  before.observedGeneration === parent.metadata.generation &&
  (secret.type ?? "Opaque") === spec.secretType &&
  context.checksums.fits(before.secretChecksum, whole.checksum);

/** Whether `reading` may be what the path held before `last`, or something that has never followed it. */
const isBehind = ({ before, context }: Assessment, last: Applied | undefined, reading: Found): boolean => {
  // What one token holds is what it holds, also where its versions begin anew.
  if (last === undefined || last.device === reading.device) return false;
  // An agent that has gone for good, or has another name now, does not hold up the one in its place.
  if (reading.mirror !== true && !context.agents.includes(last.device)) return false;
  if (reading.version !== last.version) return reading.version < last.version;
  if (reading.mirror !== true) return false;
  const isKnown = before.hsmPath === last.path && before.lastReading?.version === last.version;
  return !(isKnown && context.checksums.fits(before.hsmChecksum, reading.checksum));
};

/** Whether the Secret holds what `reading` says, and nobody has edited it to be so. */
const isHeld = (assessment: Assessment, owned: OwnedSecret, reading: Found): boolean => {
  const { spec, context } = assessment;
  if (!isAsSynced(assessment, owned)) return false;
  if (spec.writeBack !== "Never" && isUnedited(owned, context.checksums) !== true) return false;
  const content = contentOf(spec, reading);
  return content.ok && content.content.checksum === owned.whole.checksum;
};

/**
 * `reading` as far as it can be believed. Where several agents are asked in order, the first may be down and the next may
 * have a token that lags: an older version than was applied is no news, and one that nobody can place is none either
 * where a Secret is there. Where spec.device names the agent, its token counts, whatever it holds.
 */
export const withoutStale = (assessment: Assessment, reading: Reading | undefined): Reading | undefined => {
  const { spec, observed } = assessment;
  if (reading?.outcome !== "found" || spec.device !== undefined) return reading;
  const { owned } = observed;
  const last = lastKnown(assessment);
  const isUnplaced = last === undefined && reading.mirror === true && owned !== undefined;
  if (!isUnplaced && !isBehind(assessment, last, reading)) return reading;
  if (owned !== undefined && isHeld(assessment, owned, reading)) {
    return { outcome: "unchanged", device: reading.device, ...(reading.mirror && { mirror: true }) };
  }
  const known = last === undefined ? "an unknown version" : `version ${last.version} of ${last.device}`;
  return {
    outcome: "unavailable",
    code: "AGENT_BEHIND",
    message: `agent ${reading.device} holds version ${reading.version} of ${spec.hsmPath}, and ${known} was applied: what may be older is not. Write the secret to the first of the agents, or name the one that counts in spec.device.`,
  };
};
