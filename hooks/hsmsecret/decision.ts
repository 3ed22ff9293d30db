// SPDX-License-Identifier: Apache-2.0
// Defines the result of sync's decision steps, and the decision that changes nothing.
import type { Assessment } from "./assessment.ts";
import { relisted, type SecretChild } from "./child.ts";
import { secretsOf } from "./observed.ts";
import type { Finding } from "./status.ts";

/** What a sync decided: the children of the answer, what was found out, and when to look again (seconds). */
export interface Decision {
  readonly children: readonly SecretChild[];
  readonly finding: Finding;
  readonly after?: number;
}

/** The checksum of the Secret that is owned; null where there is none. */
export const secretChecksumOf = ({ observed }: Assessment): string | null =>
  observed.owned?.whole.checksum ?? null;

/** Leaves the data of every Secret as it is and says why. */
export const leaveAlone = (
  assessment: Assessment,
  finding: Omit<Finding, "secretChecksum">,
  after = assessment.spec.syncInterval,
): Decision => {
  const { spec, observed } = assessment;
  return {
    children: secretsOf(observed).map((secret) => relisted(spec, secret)),
    finding: {
      ...finding,
      secretChecksum: secretChecksumOf(assessment),
      secretName: observed.owned?.secret.metadata.name ?? null,
    },
    after,
  };
};
