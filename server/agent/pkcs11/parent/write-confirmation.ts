// SPDX-License-Identifier: Apache-2.0
// Confirms a write that a caching module has begun: another child reads it back, and the result follows from what that one sees.
import type { Clock } from "../../../time.ts";
import { type ChangeResult, unavailable } from "../../store.ts";
import type { Answer, TokenView } from "../answers.ts";
import { ckrName, isNoRoom } from "../ckr.ts";
import { refusalNoRoom } from "../write-refusals.ts";
import type { Supervisor } from "./supervisor.ts";
import type { TokenChild } from "./token-child.ts";
import type { WriteLessons } from "./write-limits.ts";

/** What a child that has loaded the token since the write says of it; `unseen` where none could be had. */
export type FreshLook = "shown" | "not-shown" | "unseen";

type WriteEvidence = {
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

export type Begun = Extract<Answer, { kind: "begun" }>;
type Refusal = Extract<Answer, { kind: "refused" }>;

export const CUT_OFF =
  "the write was cut off; the token holds the old secret or the new one, whole. Read it, then try again";
const MIXED = "another program has written the same secret at the same time; read it, then write again";
const MAY_BE_HIDDEN =
  "the module shows no more objects than it does, so that the write can't be seen; the token holds the old secret or the new one, whole. Delete keys, certificates or secrets, refresh, and read it";

export const uncertain = (message: string): Extract<ChangeResult, { kind: "uncertain" }> => ({
  kind: "uncertain",
  message,
});

/** What `verdict` means for what was begun; the token shows `objects` data objects now. */
const resultOf = (
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

type Looked = Extract<Answer, { kind: "looked" }>;

/** A write that `writer` has begun at `path`. `tried`: the same was begun before, in vain. */
type BegunAt = { path: string; writer: TokenChild; begun: Begun; tried: boolean };

/** What the path holds once the write is in force. */
const wantedBy = ({ result }: Begun): string | null => (result.kind === "written" ? result.checksum : null);

type WriteConfirmationOptions = {
  supervisor: Pick<Supervisor, "refreshedSince" | "serving">;
  clock: Pick<Clock, "now">;
  lessons: WriteLessons;
};

export class WriteConfirmation {
  readonly #options: WriteConfirmationOptions;

  constructor(options: WriteConfirmationOptions) {
    this.#options = options;
  }

  /**
   * Has a child that loads the token anew look at what was begun, which then removes what is left over. The result, or
   * `again` where the token is as it was and the write is worth another try.
   */
  async confirm(write: BegunAt): Promise<ChangeResult | "again"> {
    const { path, writer, begun, tried } = write;
    const seen = await this.#look(write);
    if (seen === undefined) return uncertain(CUT_OFF);
    const { reader, looked } = seen;
    if (looked.shown && !looked.wanted) return uncertain(MIXED);
    await reader.call({ type: "tidy", path, remove: looked.shown ? begun.begun.remove : [] });
    const verdict = verdictOf({
      failure: begun.failed?.ckr,
      look: looked.shown ? "shown" : "not-shown",
      hides: mayHide(reader.view),
      again: tried,
    });
    const bytes = begun.failed?.bytes ?? begun.largestBytes;
    if (verdict === "full" && this.#options.lessons.limits.tooLarge(bytes)) return "again";
    // What another process does not see may show up later: the one that made it takes it back.
    const isGone = verdict !== "not-shown" || (await isUndone(path, writer));
    return isGone ? this.#learned(path, begun, verdict, looked.objects) : uncertain(CUT_OFF);
  }

  /** What a child sees that has loaded since; undefined where there is none, or it fails. */
  async #look({ path, begun }: BegunAt): Promise<{ reader: TokenChild; looked: Looked } | undefined> {
    const { supervisor, clock } = this.#options;
    const failed = await supervisor.refreshedSince(clock.now());
    const reader = supervisor.serving();
    if (failed !== undefined || reader === undefined) return undefined;
    const wanted = wantedBy(begun);
    const { answer } = await reader.call({ type: "look", path, begun: begun.begun, wanted });
    return answer.kind === "looked" ? { reader, looked: answer } : undefined;
  }

  /** Learns from the result, and answers it. The token shows `objects` data objects. */
  #learned(path: string, begun: Begun, verdict: WriteVerdict, objects: number): ChangeResult | "again" {
    const { lessons } = this.#options;
    const result = resultOf(begun, verdict, objects);
    if (verdict === "in-force") lessons.limits.taken({ objects, bytes: begun.largestBytes });
    if (result === "again" || result.kind !== "refused") return result;
    return lessons.refused(path, result);
  }
}

const isUndone = async (path: string, writer: TokenChild): Promise<boolean> => {
  const { answer } = await writer.call({ type: "undo", path });
  return answer.kind === "undone";
};
