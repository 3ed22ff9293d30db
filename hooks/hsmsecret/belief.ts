// SPDX-License-Identifier: Apache-2.0
// Decides whether a reading can be believed, by the version and the epoch of what was applied: an older one is not applied, and
// absence removes nothing unless the primary tells of it.
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { annotationOf } from "../metadata.ts";
import { includes, type Stamp } from "../stamp.ts";
import { type Assessment, isAsSynced } from "./assessment.ts";
import { contentOf } from "./content.ts";
import { isUnedited, type OwnedSecret, secretsOf } from "./observed.ts";
import { answererName, type Reading, type Standing } from "./reading.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** The annotation of a Secret: path, version and device of the reading that its data were made of. */
export const APPLIED = "hsm.j5t.io/applied";

const Applied = Type.Object({
  path: Type.String(),
  /** As the agent counts writes of the path; 0 where its writer does not count. */
  version: Type.Integer({ minimum: 0 }),
  device: Type.String(),
  /** Of the set, when it was written; absent: it was outside any. */
  epoch: Type.Optional(Type.Integer({ minimum: 0 })),
});

type Applied = Static<typeof Applied>;

const applied = TypeCompiler.Compile(Applied);

type Found = Extract<Reading, { outcome: "found" }>;
type Absent = Extract<Reading, { outcome: "absent" }>;
type OfSet<R> = R & { readonly standing: Standing };

/** The annotation for data that were made of `reading`. */
export const appliedText = ({ hsmPath }: ResolvedSpec, { version, device, epoch }: Found): string =>
  JSON.stringify({ path: hsmPath, version, device, ...(epoch !== undefined && { epoch }) });

const stampOf = ({ epoch = 0, version, history = [] }: Found): Stamp => ({ epoch, version, history });

const writeOf = ({ epoch = 0, version }: Applied): Pick<Stamp, "epoch" | "version"> => ({ epoch, version });

const isLater = (one: Applied, other: Applied): boolean => {
  const [a, b] = [writeOf(one), writeOf(other)];
  return a.epoch === b.epoch ? a.version > b.version : a.epoch > b.epoch;
};

/** What was last read or applied of the path: by the status, or by the Secret, which a status may lag behind. */
const lastKnown = ({ spec: { hsmPath: path }, before, observed }: Assessment): Applied | undefined => {
  const noted = observed.owned && annotationOf(observed.owned.secret, APPLIED, applied);
  const { hsmPath, lastReading } = before;
  const read = hsmPath === path && lastReading !== undefined ? { path, ...lastReading } : undefined;
  if (noted?.path !== path) return read;
  return read !== undefined && isLater(read, noted) ? read : noted;
};

const isSameWrite = (last: Applied, { epoch = 0, version }: Pick<Applied, "epoch" | "version">): boolean =>
  writeOf(last).epoch === epoch && last.version === version;

/** Whether the content of `reading` is what the status calls that of `last`. */
const isKnownContent = ({ before, context }: Assessment, last: Applied, reading: Found): boolean => {
  const { hsmPath, hsmChecksum, lastReading } = before;
  const isOfLast = hsmPath === last.path && lastReading !== undefined && isSameWrite(last, lastReading);
  return isOfLast && context.checksums.fits(hsmChecksum, reading.checksum);
};

/** Whether the Secret holds what `reading` says, and nobody has edited it to be so. */
const isHeld = (assessment: Assessment, owned: OwnedSecret, reading: Found): boolean => {
  const { spec, context } = assessment;
  if (!isAsSynced(assessment, owned)) return false;
  if (spec.writeBack !== "Never" && isUnedited(owned, context.checksums) !== true) return false;
  return isContentOf(spec, owned, reading);
};

const isContentOf = (spec: ResolvedSpec, { whole }: OwnedSecret, reading: Found): boolean => {
  const content = contentOf(spec, reading);
  return content.ok && content.content.checksum === whole.checksum;
};

const behind = (message: string): Reading => ({ outcome: "unavailable", code: "AGENT_BEHIND", message });

const said = (write: Pick<Applied, "version" | "epoch">): string =>
  `version ${write.version}${write.epoch === undefined ? "" : ` (epoch ${write.epoch})`}`;

/** `reading`, which is not believed, as what it is good for: to say that the Secret is as it was. */
const notBelieved = (
  assessment: Assessment,
  last: Applied | undefined,
  reading: Found,
  advice: string,
): Reading => {
  const { spec, observed } = assessment;
  const { device, mirror, standing } = reading;
  if (observed.owned !== undefined && isHeld(assessment, observed.owned, reading)) {
    return { outcome: "unchanged", device, ...(mirror && { mirror }), ...(standing && { standing }) };
  }
  const known = last === undefined ? "an unknown version" : `${said(last)} of ${last.device}`;
  return behind(
    `agent ${answererName(reading)} holds ${said(reading)} of ${spec.hsmPath}, and ${known} was applied: what may be older is not. ${advice}`,
  );
};

/** Whether `reading` may be what the path held before `last`, or something that has never followed it. */
const isBehind = (assessment: Assessment, last: Applied | undefined, reading: Found): boolean => {
  // What one token holds is what it holds, also where its versions begin anew.
  if (last === undefined || last.device === reading.device) return false;
  // An agent that has gone for good, or has another name now, does not hold up the one in its place.
  if (reading.mirror !== true && !assessment.context.agents.includes(last.device)) return false;
  if (!isSameWrite(last, reading)) return !includes(stampOf(reading), writeOf(last));
  return reading.mirror === true && !isKnownContent(assessment, last, reading);
};

/** A reading of agents that are asked in order. */
const inOrder = (assessment: Assessment, reading: Found): Reading => {
  const last = lastKnown(assessment);
  const isUnplaced = last === undefined && reading.mirror === true && assessment.observed.owned !== undefined;
  return isUnplaced || isBehind(assessment, last, reading)
    ? notBelieved(
        assessment,
        last,
        reading,
        "Write the secret to the first of the agents, or name the one that counts in spec.device.",
      )
    : reading;
};

/** The epoch in which a primary of this set last answered, as the status has it. */
const epochRead = ({ before: { set } }: Assessment, device: string): number | undefined =>
  set?.device === device ? set.epoch : undefined;

/** Whether a primary of this epoch said last that there is nothing: what was written in it and is there now came after that. */
const isWrittenAnew = ({ before, spec }: Assessment, { device, standing, epoch }: OfSet<Found>): boolean =>
  epoch === standing.epoch &&
  before.hsmPath === spec.hsmPath &&
  before.lastReading === undefined &&
  before.hsmChecksum === undefined &&
  before.set?.device === device &&
  before.set.epoch === standing.epoch;

/** What the primary of a set holds: it counts, unless it does not know of what was applied. */
const ofPrimary = (assessment: Assessment, reading: OfSet<Found>): Reading => {
  const { spec, context, before, observed } = assessment;
  const last = lastKnown(assessment);
  if (last === undefined) return reading;
  if (last.device !== reading.device && !context.agents.includes(last.device)) return reading;
  if (isWrittenAnew(assessment, reading)) return reading;
  const { epoch } = reading.standing;
  // Another program, which does not count, may have written to the token of the primary before this one.
  const isOther =
    isSameWrite(last, reading) &&
    epoch > (epochRead(assessment, reading.device) ?? epoch) &&
    before.hsmChecksum !== undefined &&
    !isKnownContent(assessment, last, reading);
  if (includes(stampOf(reading), writeOf(last)) && !isOther) return reading;
  // Without a Secret there is nothing to keep: one that somebody deleted is made of what there is.
  if (secretsOf(observed).length === 0) return reading;
  if (observed.owned === undefined) return notBelieved(assessment, last, reading, "It is waited for.");
  return isContentOf(spec, observed.owned, reading) ? reading : { ...reading, diverged: true };
};

/** What another member of a set holds: it is news only where it is a copy of what the primary had. */
const ofMirror = (assessment: Assessment, reading: OfSet<Found>): Reading => {
  const last = lastKnown(assessment);
  const { role, isCopy = role === "primary" } = reading.standing;
  const believed =
    last === undefined
      ? isCopy && assessment.observed.owned === undefined
      : isSameWrite(last, reading)
        ? isKnownContent(assessment, last, reading)
        : isCopy && includes(stampOf(reading), writeOf(last));
  return believed ? reading : notBelieved(assessment, last, reading, "The primary of the set is waited for.");
};

/**
 * Absence in a set is that of the primary in the epoch that was read last. One of a later epoch, which followed on the failure of
 * another, may never have had the secret.
 */
const absence = (assessment: Assessment, reading: OfSet<Absent>): Reading => {
  const { spec, observed } = assessment;
  const { device, standing } = reading;
  const nothing = `agent ${answererName(reading)} holds nothing at ${spec.hsmPath}`;
  if (standing.role !== "primary") {
    return behind(`${nothing}, which only the primary of its set is believed.`);
  }
  const last = lastKnown(assessment);
  const read = epochRead(assessment, device);
  const least = Math.max(read ?? 0, last?.device === device ? writeOf(last).epoch : 0);
  if (standing.epoch < least) {
    return behind(`${nothing} and is of epoch ${standing.epoch} of its set; epoch ${least} was read before.`);
  }
  const mayBeLost = read !== undefined && standing.epoch > read && last !== undefined;
  if (!mayBeLost || spec.onMissing === "Retain" || secretsOf(observed).length === 0) return reading;
  return observed.owned === undefined
    ? behind(`${nothing} and may never have had it.`)
    : { ...reading, diverged: true };
};

const isOfSet = <R extends Found | Absent>(reading: R): reading is OfSet<R> => reading.standing !== undefined;

/**
 * `reading` as far as it can be believed. Where several agents are asked in order, the first may be down and the next may
 * have a token that lags: an older version than was applied is no news, and one that nobody can place is none either
 * where a Secret is there. Where spec.device names the agent, its token counts, whatever it holds; a set has several tokens.
 */
export const withoutStale = (assessment: Assessment, reading: Reading | undefined): Reading | undefined => {
  if (reading?.outcome === "absent") return isOfSet(reading) ? absence(assessment, reading) : reading;
  if (reading?.outcome !== "found") return reading;
  if (isOfSet(reading)) {
    const isPrimary = reading.standing.role === "primary" && reading.mirror !== true;
    return isPrimary ? ofPrimary(assessment, reading) : ofMirror(assessment, reading);
  }
  return assessment.spec.device === undefined ? inOrder(assessment, reading) : reading;
};
