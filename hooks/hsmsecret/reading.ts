// SPDX-License-Identifier: Apache-2.0
// Defines the outcomes of reading a path from the token. "absent" is the result of a healthy token, "unavailable" is not, and
// the two are never confused.
import type { UnavailableCode } from "../error-codes.ts";
import type { StringMap } from "../kubernetes.ts";

/** `mirror` is set where an agent answered that is not the first of those to ask: nothing is written there. */
export type Reading =
  /** The path's keys with base64 values. `checksum` is as hooks/checksum.ts makes it; `device` answered. */
  | {
      outcome: "found";
      data: StringMap;
      checksum: string;
      version: number;
      device: string;
      mirror?: true;
      /** What the last writer noted with the content (metadata.source). */
      source?: string;
    }
  /** The token still holds what the checksum of the read plan names. */
  | { outcome: "unchanged"; device: string; mirror?: true }
  /** A healthy token says that nothing is stored at the path. */
  | { outcome: "absent"; device: string; mirror?: true }
  /** Nobody could say. `message` holds no value and no PIN; `retryAfterSeconds` is the agent's own advice. */
  | {
      outcome: "unavailable";
      code: UnavailableCode;
      message: string;
      retryAfterSeconds?: number;
    };
