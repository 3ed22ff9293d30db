// SPDX-License-Identifier: Apache-2.0
// Remembers what writes have shown of the token: its size limits, and versions that it may hold unseen.
import type { ChangeResult } from "../../store.ts";
import type { Answer, TokenView } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";
import type { WriteLimits } from "./write-limits.ts";

type Refusal = Extract<Answer, { kind: "refused" }>;

export class WriteLessons {
  readonly limits: WriteLimits;
  /** The highest version that a write in vain may have left at a path, on a token that hides objects. */
  readonly #floors = new Map<string, number>();

  constructor(limits: WriteLimits) {
    this.limits = limits;
  }

  /** What the next write at `path` has to keep to, on a token that is as `view` says. */
  forNext(path: string, view: TokenView | undefined): Pick<ChangeOperation, "limits" | "versionFloor"> {
    return { limits: this.limits.current(view), versionFloor: this.#floors.get(path) ?? 0 };
  }

  /** The token has refused a write at `path`. Answers that as a result. */
  refused(path: string, { code, message, learned, version }: Refusal): ChangeResult {
    if (learned !== undefined) this.limits.refused(learned);
    if (version !== undefined) this.#floors.set(path, Math.max(version, this.#floors.get(path) ?? 0));
    return { kind: "refused", code, message };
  }

  /** A write at `path` is in force, and seen by whoever writes next. */
  completed(path: string): void {
    this.#floors.delete(path);
  }
}
