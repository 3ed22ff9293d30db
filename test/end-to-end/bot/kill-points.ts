// SPDX-License-Identifier: Apache-2.0
// Lists where the bot is killed: before and after each decisive request, and at random times.
import fc from "fast-check";
import type { CommandKind } from "./commands-of-alice.ts";
import type { Cut } from "./interrupting-proxy.ts";

export type CutPoint = Cut & {
  readonly what: string;
  /** How long it lives on, so that what goes on beside the request is done. */
  readonly lingerMs: number;
};

/** `before` it reaches the server, and `after` that: the answer is lost. */
const bothSides = (what: string, method: Cut["method"], path: RegExp, lingerMs = 0): CutPoint[] =>
  (["before", "after"] as const).map((side) => ({ what: `${side} ${what}`, method, path, side, lingerMs }));

/** Of a new bot, in their order: one that got further does not come by the earlier ones again. */
export const FIRST_STARTS: readonly CutPoint[] = [
  ...bothSides("its log-in", "POST", /\/v3\/login$/),
  ...bothSides("the upload of its keys", "POST", /\/keys\/upload$/),
  ...bothSides("the upload of its identity", "POST", /\/keys\/device_signing\/upload$/),
  ...bothSides("the upload of its signature", "POST", /\/keys\/signatures\/upload$/),
];

/** Of an invitation. The sync that brought it is confirmed by then: it does not come again. */
export const INVITED = bothSides("it joins the room", "POST", /\/rooms\/[^/]+\/join$/, 300);

/** Of a room's first answer; later ones need the key to be sent once in a hundred times. */
export const FIRST_ANSWER = bothSides("the room's key is sent", "PUT", /\/sendToDevice\//);

/** Of any switch. */
export const SWITCHES: readonly CutPoint[] = [
  ...bothSides("the patch", "PATCH", /\/toggles\/web$/),
  ...bothSides("an answer is sent", "PUT", /\/send\/m\.room\.encrypted\/.*-answer/),
  ...bothSides("an edit is sent", "PUT", /\/send\/m\.room\.encrypted\/.*-edit-\d+/),
];

/** What the bot logs on its way. */
const STAGES = [
  "messages are encrypted by this engine",
  "logged in",
  "clients show the same fingerprint",
  "device is signed by its identity",
];

const kind = fc.constantFrom<CommandKind>(
  ...(["start", "start 2h", "start 2h", "stop", "stop", "status", "no such"] as const),
);

/** A while after a stage of a start for which commands wait. */
const startKill = fc.record({ stage: fc.constantFrom(...STAGES), afterMs: fc.integer({ min: 0, max: 250 }) });

/** A while after the first of these commands is begun to be sent. */
const talkKill = fc.record({
  kinds: fc.array(kind, { minLength: 1, maxLength: 4 }),
  afterMs: fc.oneof(fc.integer({ min: 0, max: 250 }), fc.integer({ min: 0, max: 1500 })),
  start: fc.option(startKill, { freq: 2 }),
});

/** Kills at random times of a conversation; some are followed by one of the start after it. */
export const randomKills = (seed: number, count: number) =>
  fc.sample(fc.noBias(talkKill), { seed, numRuns: count });
