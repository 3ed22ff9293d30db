// SPDX-License-Identifier: Apache-2.0
// Turns a write's outcome into the result of the store.
import { type ChangeResult, unavailable } from "../../store.ts";
import type { Answer } from "../answers.ts";
import { ckrName } from "../ckr.ts";
import { refusalNoRoom } from "../write-refusals.ts";
import type { WriteVerdict } from "./write-outcome.ts";

export type Begun = Extract<Answer, { kind: "begun" }>;
type Refusal = Extract<Answer, { kind: "refused" }>;

export const CUT_OFF =
  "the write was cut off; the token holds the old secret or the new one, whole. Read it, then try again";
export const MIXED =
  "another program has written the same secret at the same time; read it, then write again";
const MAY_BE_HIDDEN =
  "the module shows no more objects than it does, so that the write can't be seen; the token holds the old secret or the new one, whole. Delete keys, certificates or secrets, refresh, and read it";

export const uncertain = (message: string): Extract<ChangeResult, { kind: "uncertain" }> => ({
  kind: "uncertain",
  message,
});

/** What `verdict` means for what was begun; the token shows `objects` data objects now. */
export const conclusionOf = (
  { result, largestBytes, version, failed }: Begun,
  verdict: WriteVerdict,
  objects: number,
): Exclude<ChangeResult, { kind: "refused" }> | Refusal | "again" => {
  switch (verdict) {
    case "in-force":
      return result;
    case "again":
      return "again";
    case "uncertain":
      return uncertain(MAY_BE_HIDDEN);
    case "not-shown":
      return {
        kind: "refused",
        code: "WRITE_NOT_SHOWN",
        message: `the token took the write, and did not show it when it was loaded anew; it shows ${objects} data objects. The secret is as it was. Delete secrets, or move them to the packed layout (kubectl hsm repack)`,
        learned: { objects, bytes: largestBytes },
        version,
      };
    default: {
      if (failed !== undefined && verdict === "full") return refusalNoRoom(failed, version);
      const { ckr, call } = failed ?? { ckr: 0, call: "C_CreateObject" };
      const said = `the token did not take the write, twice: ${call} returned ${ckrName(ckr)}; nothing was changed`;
      return unavailable("TOKEN_UNAVAILABLE", said, 5);
    }
  }
};
