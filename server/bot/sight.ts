// SPDX-License-Identifier: Apache-2.0
// Says what an answer to a switch should say of its Toggles now, whether that is the last word, and whether it is news.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { Toggles } from "../kubernetes/toggles.ts";
import type { Clock } from "../time.ts";
import type { FollowedToggle, Line } from "./journal.ts";
import { isAsAsked, isSettled, overdueText, stateText } from "./state-text.ts";

const MINUTE_MS = 60_000;
/**
 * How long an answer is kept up to date at most: longer than the ten minutes after which a Deployment's controller says that it
 * gets no further (spec.progressDeadlineSeconds).
 */
export const FOLLOWED_MS = 12 * MINUTE_MS;
/** What has come to its end for longer than this, while the bot was away, is no news any more. */
const NEWS_FOR_MS = 60 * MINUTE_MS;

/** The text that an answer should have, and whether it is the last one. */
export type Sight = {
  readonly text: string;
  readonly last: boolean;
  /** What of the last one is news to whoever asked: not that somebody else has switched since. */
  readonly news?: string;
};

/** What there is to say of `toggle`, which is followed; undefined where what is known is older than the switch. */
const sightOf = (
  following: FollowedToggle,
  toggle: Toggle | undefined,
  asOf: { current: boolean; now: number },
): Sight | undefined => {
  const sight = stateOf(following, toggle, asOf);
  if (sight === undefined || !sight.last || sight.isExpected) return sight;
  return asOf.now >= following.endsAt + NEWS_FOR_MS ? sight : { ...sight, news: sight.text };
};

/** The same without the news. `isExpected`: there is none in it. */
const stateOf = (
  following: FollowedToggle,
  toggle: Toggle | undefined,
  { current, now }: { current: boolean; now: number },
): (Sight & { readonly isExpected?: boolean }) | undefined => {
  const over = now >= following.endsAt;
  const name = following.toggle;
  if (toggle === undefined) {
    if (current) return { text: `${name} was deleted.`, last: true };
    return over
      ? { text: `I don't know what became of ${name}; see status ${name}.`, last: true }
      : undefined;
  }
  const { generation = 0 } = toggle.metadata;
  const text = stateText(toggle, now);
  if (generation > following.generation) {
    return { text: `Changed again since. ${text}`, last: true, isExpected: true };
  }
  if (generation === following.generation && isSettled(toggle, now)) {
    return { text, last: true, isExpected: following.unchanged === true && isAsAsked(toggle, now) };
  }
  if (over) {
    const minutes = Math.floor((now - following.endsAt + FOLLOWED_MS) / MINUTE_MS);
    return { text: overdueText(toggle, now, minutes), last: true };
  }
  return generation < following.generation ? undefined : { text, last: false };
};

/** A Toggle that is newer than the watch's; undefined where it was deleted. */
export type Known = { readonly name: string; readonly toggle: Toggle | undefined };

/** What there is to say of all that an answer is about. */
export const sightOfLines = (
  lines: readonly Line[],
  { toggles, clock }: { toggles: Pick<Toggles, "find" | "state">; clock: Pick<Clock, "now"> },
  known?: Known,
): Sight | undefined => {
  const asOf = { current: toggles.state().ok, now: clock.now() };
  const sights = lines.map(({ text, following }): Sight | undefined => {
    if (following === undefined) return { text, last: true };
    const { toggle: name } = following;
    return sightOf(following, known?.name === name ? known.toggle : toggles.find(name), asOf);
  });
  // Of those that nothing newer is known of, it says what it has said.
  const isNew = lines.some(({ following }, at) => following !== undefined && sights[at] !== undefined);
  if (!isNew) return undefined;
  const news = sights.flatMap((sight) => sight?.news ?? []);
  return {
    text: sights.map((sight, at) => sight?.text ?? lines[at]?.text ?? "").join("\n"),
    last: sights.every((sight) => sight?.last === true),
    ...(news.length > 0 && { news: news.join("\n") }),
  };
};

/** The Toggles that `lines` follow. */
export const namesIn = (lines: readonly Line[]): string[] =>
  lines.flatMap(({ following }) => (following === undefined ? [] : [following.toggle]));
