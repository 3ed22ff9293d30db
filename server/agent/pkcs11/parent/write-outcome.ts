// SPDX-License-Identifier: Apache-2.0
// Decides the outcome of a write with a module that caches, from the module's return value and a fresh load.

import type { TokenView } from "../answers.ts";
import { isNoRoom } from "../ckr.ts";

/** What a child that has loaded the token since the write says of it; `unseen` where none could be had. */
export type FreshLook = "shown" | "not-shown" | "unseen";

export type WriteEvidence = {
  /** The return value that ended the write before all was made; undefined where every call returned CKR_OK. */
  failure: number | undefined;
  look: FreshLook;
  /** Whether the fresh view may hide objects: its module's table is full. */
  hides: boolean;
  /** Whether the same was tried before, in vain. */
  again: boolean;
};

/**
 * `in-force`: the token holds the new secret. `uncertain`: the old or the new one, nobody can tell which. All others: a fresh
 * load has shown that it holds the old one, `again` to be tried once more, `full` as the token twice had no room, `not-shown` as
 * it took the objects and has lost them, `failed` for another reason twice.
 */
export type WriteVerdict = "in-force" | "uncertain" | "again" | "full" | "not-shown" | "failed";

/**
 * The verdict. OpenSC returns CKR_GENERAL_ERROR for a card that is full as for one that was pulled out, and CKR_OK for an
 * object that does not fit its table; so no return value says anything by itself. A refusal counts once it came twice, from a
 * token that was well before, between and after.
 */
export const verdictOf = ({ failure, look, hides, again }: WriteEvidence): WriteVerdict => {
  if (look === "shown") return "in-force";
  if (look === "unseen" || hides) return "uncertain";
  if (failure === undefined) return "not-shown";
  if (!again) return "again";
  return isNoRoom(failure) ? "full" : "failed";
};

/** Whether the module shows as many objects as it ever does, so that there may be more. */
export const mayHide = (view: Pick<TokenView, "shown"> | undefined): boolean => {
  const shown = view?.shown;
  return shown !== undefined && shown !== null && shown.objects >= shown.limit;
};
