// SPDX-License-Identifier: Apache-2.0
// Tracks the token's write limits: configured, reported by the token, or learned from writes that it rejected or did not show.
import type { Clock } from "../../../time.ts";
import type { TokenLimits } from "../../storage/write-plan.ts";
import type { ChangeResult } from "../../store.ts";
import type { Answer, TokenView } from "../answers.ts";
import type { ChangeOperation } from "../messages.ts";

/** What limits depend on of the view of a token. */
type LimitingView = Pick<TokenView, "cache" | "objects" | "shown">;

type SizedObjects = { objects: number; bytes: number };

export type ConfiguredLimits = { maxObjects?: number; maxObjectBytes?: number };

/**
 * What PKCS#15 cards take, measured (4,096: Pico HSM firmware 5.4; 4,032: firmware 6.6) or safe, tried in this order: larger
 * values are split. Modules that keep files, such as SoftHSM2, have no limit.
 */
const CARD_OBJECT_BYTES = [4096, 4032, 2048];

/** How long what a refusal has taught is believed: its cause may have been another one than a limit. */
const BELIEVED_MS = 10 * 60 * 1000;

/** Which size of an object a card takes, found by trying. */
class TriedSizes {
  /** The place in CARD_OBJECT_BYTES of what is tried, and of what the token has taken. */
  #tried = 0;
  #proven = 0;

  get current(): number | null {
    return CARD_OBJECT_BYTES[this.#tried] ?? null;
  }

  /** Goes on to the next size, if there is one below `bytes`. */
  goBelow(bytes: number): boolean {
    const smaller = CARD_OBJECT_BYTES.findIndex((one, at) => at > this.#tried && one < bytes);
    if (smaller < 0) return false;
    this.#tried = smaller;
    return true;
  }

  /** The token has taken objects of the size that is tried. */
  prove(): void {
    this.#proven = this.#tried;
  }

  /** It was not the size that kept the token from taking objects. */
  goBack(): void {
    this.#tried = this.#proven;
  }
}

type ObjectLimit = NonNullable<TokenLimits["objects"]>;

/** How many data objects a token has shown that it takes, by refusing one more of a size. */
class LearnedLimit {
  readonly #clock: Pick<Clock, "now">;
  #found: { limit: number; fromBytes: number; until: number } | undefined;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  get current(): ObjectLimit | null {
    if (this.#found !== undefined && this.#clock.now() >= this.#found.until) this.#found = undefined;
    if (this.#found === undefined) return null;
    const { limit, fromBytes } = this.#found;
    return { limit, fromBytes, source: "learned" };
  }

  refused({ objects, bytes }: SizedObjects): void {
    const known = this.current;
    // The lower bound of both stays: fewer objects, and smaller ones, were refused before.
    if (known !== null && known.limit <= objects && known.fromBytes <= bytes) return;
    this.#found = { limit: objects, fromBytes: bytes, until: this.#clock.now() + BELIEVED_MS };
  }

  taken({ objects, bytes }: SizedObjects): void {
    const known = this.current;
    if (known !== null && objects > known.limit && bytes >= known.fromBytes) this.#found = undefined;
  }
}

/**
 * Data objects that fit the table of a module which hides what does not: one place is never used, as a full table can't be
 * told from one that hides something.
 */
const shownLimit = (view: LimitingView | undefined): ObjectLimit | null => {
  if (view === undefined || view.shown === null) return null;
  const others = view.shown.objects - view.objects;
  return { limit: Math.max(0, view.shown.limit - 1 - others), fromBytes: 0, source: "module" };
};

/** The lowest; of equal ones the first. */
const lowest = (limits: readonly (ObjectLimit | null)[]): ObjectLimit | null =>
  limits
    .filter((limit) => limit !== null)
    .reduce<ObjectLimit | null>(
      (least, one) => (least === null || one.limit < least.limit ? one : least),
      null,
    );

/**
 * Limits that start with what is configured. What was learned is forgotten when the token takes more after all, and after a
 * while, so that a write is tried again.
 */
export class WriteLimits {
  readonly #configured: ConfiguredLimits;
  readonly #sizes = new TriedSizes();
  readonly #learned: LearnedLimit;

  constructor(configured: ConfiguredLimits, clock: Pick<Clock, "now">) {
    this.#configured = configured;
    this.#learned = new LearnedLimit(clock);
  }

  /** For the next write. */
  current(view: LimitingView | undefined): TokenLimits {
    const { maxObjects, maxObjectBytes } = this.#configured;
    const configured: ObjectLimit | null =
      maxObjects === undefined ? null : { limit: maxObjects, fromBytes: 0, source: "configured" };
    return {
      maxObjectBytes: maxObjectBytes ?? (view?.cache === "cached" ? this.#sizes.current : null),
      objects: lowest([configured, shownLimit(view), this.#learned.current]),
    };
  }

  /**
   * The token did not take an object of `bytes`. Whether it is worth while to try again with smaller ones, which are then the
   * limit.
   */
  tooLarge(bytes: number): boolean {
    return this.#configured.maxObjectBytes === undefined && this.#sizes.goBelow(bytes);
  }

  /** The token had `objects` data objects and did not take, or show, one more of `bytes`. */
  refused(learned: SizedObjects): void {
    this.#sizes.goBack();
    this.#learned.refused(learned);
  }

  /** The token holds `objects` data objects, the largest new one of which has `bytes`. */
  taken(taken: SizedObjects): void {
    this.#sizes.prove();
    this.#learned.taken(taken);
  }
}

type Refusal = Extract<Answer, { kind: "refused" }>;

/** What writes have shown of the token: its limits, and versions that it may hold unseen. */
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
