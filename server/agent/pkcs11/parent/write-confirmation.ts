// SPDX-License-Identifier: Apache-2.0
// Confirms a write that a caching module has begun: another child reads it back and removes leftovers.
import type { Clock } from "../../../time.ts";
import type { ChangeResult } from "../../store.ts";
import type { Answer } from "../answers.ts";
import type { Supervisor } from "./supervisor.ts";
import type { TokenChild } from "./token-child.ts";
import { type Begun, CUT_OFF, conclusionOf, MIXED, uncertain } from "./write-conclusion.ts";
import type { WriteLessons } from "./write-lessons.ts";
import { mayHide, verdictOf, type WriteVerdict } from "./write-outcome.ts";

type Looked = Extract<Answer, { kind: "looked" }>;

/** A write that `writer` has begun at `path`. `tried`: the same was begun before, in vain. */
export type BegunAt = { path: string; writer: TokenChild; begun: Begun; tried: boolean };

/** What the path holds once the write is in force. */
const wantedBy = ({ result }: Begun): string | null => (result.kind === "written" ? result.checksum : null);

export type WriteConfirmationOptions = {
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
    return isGone ? this.#concluded(path, begun, verdict, looked.objects) : uncertain(CUT_OFF);
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

  /** Learns from the conclusion, and says it. The token shows `objects` data objects. */
  #concluded(path: string, begun: Begun, verdict: WriteVerdict, objects: number): ChangeResult | "again" {
    const { lessons } = this.#options;
    const conclusion = conclusionOf(begun, verdict, objects);
    if (verdict === "in-force") lessons.limits.taken({ objects, bytes: begun.largestBytes });
    if (conclusion === "again" || conclusion.kind !== "refused") return conclusion;
    return lessons.refused(path, conclusion);
  }
}

const isUndone = async (path: string, writer: TokenChild): Promise<boolean> => {
  const { answer } = await writer.call({ type: "undo", path });
  return answer.kind === "undone";
};
