// SPDX-License-Identifier: Apache-2.0
// Builds the result of a write that the token rejected, or accepted and does not show; no object of such a write is left.

import type { Answer } from "./answers.ts";
import { ckrName } from "./ckr.ts";

type Refusal = Extract<Answer, { kind: "refused" }>;

/** A module's refusal to make an object of so many bytes beside so many data objects. */
export type MakingFailure = NonNullable<Extract<Answer, { kind: "begun" }>["failed"]>;

/** The token took an object and then did not show it. */
export const refusalNotShown = (objects: number, bytes: number, version: number): Refusal => ({
  kind: "refused",
  code: "WRITE_NOT_SHOWN",
  message: `the token took an object and then did not show it; it shows ${objects} objects. The write was undone. Delete secrets, or move them to the packed layout (kubectl hsm repack)`,
  learned: { objects, bytes },
  version,
});

/** The token did not take an object, and nothing of the write is left. */
export const refusalNoRoom = ({ ckr, call, bytes, objects }: MakingFailure, version: number): Refusal => ({
  kind: "refused",
  code: "TOKEN_FULL",
  message: `the token did not take an object of ${bytes} bytes beside the ${objects} data objects that it holds (${call} returned ${ckrName(ckr)}); nothing was changed. Delete secrets, keys or certificates, or move secrets to the packed layout (kubectl hsm repack)`,
  learned: { objects, bytes },
  version,
});
