// SPDX-License-Identifier: Apache-2.0
// What the steps of a sync's decision look at, what they answer, and the answer that they share: nothing is touched.
import type { KeyedChecksums } from "../keyed-checksum.ts";
import { relisted, type SecretChild } from "./child.ts";
import type { Verdict } from "./judge.ts";
import { type Observed, secretsOf } from "./observed.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";
import type { HSMSecret } from "./schema.ts";
import type { Finding } from "./status.ts";

/** What a sync decided: the children of the answer, what was found out, and when to look again (seconds). */
export interface Decision {
  readonly children: readonly SecretChild[];
  readonly finding: Finding;
  readonly after?: number;
}

/** Everything that a step of the decision looks at. */
export interface Situation {
  readonly parent: HSMSecret;
  readonly spec: ResolvedSpec;
  readonly observed: Observed;
  readonly secretChecksum: string | null;
  readonly verdict: Verdict;
  readonly checksums: KeyedChecksums;
  /** RFC 3339. */
  readonly now: string;
}

/** Leaves the data of every Secret as it is and says why. */
export const leaveAlone = (
  { spec, observed, secretChecksum }: Situation,
  finding: Omit<Finding, "secretChecksum">,
  after = spec.syncInterval,
): Decision => ({
  children: secretsOf(observed).map((secret) => relisted(spec, secret)),
  finding: {
    ...finding,
    secretChecksum,
    secretName: observed.owned?.metadata.name ?? null,
  },
  after,
});
