// SPDX-License-Identifier: Apache-2.0
// Patches a Toggle for start and stop so that a command takes effect at most once, whatever fails in between. Each patch is
// bound to the generation that the journal recorded before it: it can only be the next change.
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { isApplied } from "../kubernetes/toggle-requests.ts";
import type { ToggleFailure, TogglePatch, ToggleResult, Toggles } from "../kubernetes/toggles.ts";
import { type Clock, rfc3339, sleep } from "../time.ts";
import { type ApprovalLack, approvedReason } from "./approval.ts";
import type { SwitchCommand } from "./command.ts";
import { nextTimeOfDay } from "./duration.ts";
import type { SentPatch } from "./journal.ts";
import { defaultReason, isOn } from "./state-text.ts";

type Start = Extract<SwitchCommand, { verb: "start" }>;

/** The first whole second that is not before `milliseconds` since the epoch. */
const wholeSecond = (milliseconds: number): Date => new Date(Math.ceil(milliseconds / 1000) * 1000);

/**
 * Who asks, and when: `now` is ms since the epoch, `timeZone` the one of the times of day that are written. `approvedBy`: whose
 * approval of the Toggle's switch counts.
 */
type Asked = {
  readonly sender: string;
  readonly room: string;
  readonly now: number;
  readonly timeZone: string;
  readonly approvedBy?: readonly string[];
};

const reasonOf = ({ verb, reason }: Start | Stop, { room, approvedBy = [] }: Asked): string =>
  approvedReason(reason ?? defaultReason(verb, room), approvedBy);

const untilOf = ({ seconds, time }: Start | Stop, { now, timeZone }: Asked): string | undefined => {
  if (time !== undefined) return rfc3339(new Date(nextTimeOfDay(time, timeZone, now)));
  return seconds === undefined ? undefined : rfc3339(wholeSecond(now + seconds * 1000));
};

/** What `start` changes. Without a time it takes an earlier one out, so that the Toggle stays on. */
const startPatch = (command: Start, asked: Asked): TogglePatch => ({
  enabled: true,
  until: untilOf(command, asked) ?? null,
  requestedBy: asked.sender,
  reason: reasonOf(command, asked),
});

type Stop = Extract<SwitchCommand, { verb: "stop" }>;

/** What `stop` changes. With a time it stays on until then: the spec keeps that, whatever becomes of the bot. */
const stopPatch = (command: Stop, asked: Asked): TogglePatch => {
  const until = untilOf(command, asked) ?? null;
  return {
    enabled: until !== null,
    until,
    requestedBy: asked.sender,
    reason: reasonOf(command, asked),
  };
};

type Extend = Extract<SwitchCommand, { verb: "extend" }>;

/** What an extension changes; undefined where its time is another by now. */
const extendPatch = ({ from, seconds }: Extend, toggle: Toggle, { now }: Asked): TogglePatch | undefined =>
  toggle.spec.until === from
    ? { until: rfc3339(wholeSecond(Math.max(now, Date.parse(from)) + seconds * 1000)) }
    : undefined;

/** What `command` changes of `toggle`; undefined where it is off, and a restart, a stop for later or an extension would start it. */
export const patchOf = (command: SwitchCommand, toggle: Toggle, asked: Asked): TogglePatch | undefined => {
  const isIdle = !isOn(toggle, asked.now);
  switch (command.verb) {
    case "start":
      return startPatch(command, asked);
    case "restart":
      return isIdle ? undefined : { restartAt: rfc3339(wholeSecond(asked.now)) };
    case "extend":
      return isIdle ? undefined : extendPatch(command, toggle, asked);
    case "stop": {
      const patch = stopPatch(command, asked);
      return patch.enabled === true && isIdle ? undefined : patch;
    }
  }
};

/** A switch that comes later than this would surprise whoever asked for it. */
const DEADLINE_MS = 5_000;
const FIRST_PAUSE_MS = 200;

const UNAVAILABLE: ToggleResult = { ok: false, why: "unavailable" };

/** The time that one command has at the API server: short failures are bridged, a hanging server holds up nobody. */
type ApiDeadline = {
  /** `call`, or "unavailable" when the time is over. What was sent may take effect nevertheless. */
  inTime(call: Promise<ToggleResult>): Promise<ToggleResult>;
  /** Waits, longer each time; false at once where the time would be over. */
  pause(): Promise<boolean>;
};

/** The deadline of a command that begins now. */
const startDeadline = (clock: Clock): ApiDeadline => {
  const end = clock.now() + DEADLINE_MS;
  let wait = FIRST_PAUSE_MS;
  return {
    inTime: (call) =>
      new Promise((resolve, reject) => {
        const cancel = clock.after(Math.max(0, end - clock.now()), () => resolve(UNAVAILABLE));
        call.finally(cancel).then(resolve, reject);
      }),
    async pause() {
      if (clock.now() + wait >= end) return false;
      await sleep(clock, wait);
      wait *= 2;
      return true;
    },
  };
};

/** `get` that bridges short failures. */
export const getWithRetries =
  (toggles: Pick<Toggles, "get">, clock: Clock): Toggles["get"] =>
  async (name) => {
    const deadline = startDeadline(clock);
    for (;;) {
      const result = await deadline.inTime(toggles.get(name));
      if (result.ok || result.why !== "unavailable" || !(await deadline.pause())) return result;
    }
  };

export type Switched =
  | { readonly kind: "switched"; readonly toggle: Toggle }
  /** It was cut off, the Toggle has changed since, and it is not known whether the command took effect before that. */
  | { readonly kind: "interrupted"; readonly toggle: Toggle }
  /** It did not take effect, and has become too old to. */
  | { readonly kind: "late"; readonly toggle: Toggle }
  /** It is off, and was to be restarted, or to go off later. */
  | { readonly kind: "idle"; readonly toggle: Toggle }
  /** The user may not use the Toggle any more. */
  | { readonly kind: "hidden" }
  /** Others have to approve it first. */
  | { readonly kind: "unapproved"; readonly lack: ApprovalLack }
  | { readonly kind: "failed"; readonly why: ToggleFailure };

export type SwitchContext = {
  readonly toggles: Pick<Toggles, "get" | "patch">;
  readonly clock: Clock;
  /** Whether the user may use a Toggle as it is now. */
  mayUse(toggle: Toggle): boolean;
  /** What approval a Toggle as it is now lacks. */
  lacks(toggle: Toggle): ApprovalLack | undefined;
  /** Written down before the patch is sent. */
  onBegin(begun: SentPatch): void;
};

const failed = (why: ToggleFailure): Switched => ({ kind: "failed", why });

/** What has become of a switch that may have been sent; undefined: nothing, and it can be sent. */
const verdictOf = (
  begun: SentPatch,
  toggle: Toggle,
  context: Pick<SwitchContext, "mayUse" | "lacks">,
): Switched | undefined => {
  if (!context.mayUse(toggle)) return { kind: "hidden" };
  const same = toggle.metadata.uid === begun.uid;
  if (same && isApplied(toggle, begun.patch)) return { kind: "switched", toggle };
  if (!same || toggle.metadata.generation !== begun.generation) return { kind: "interrupted", toggle };
  const lack = context.lacks(toggle);
  return lack && { kind: "unapproved", lack };
};

/** What a Toggle is to be given, as it is now; undefined: nothing. */
type PatchFor = (toggle: Toggle) => TogglePatch | undefined;

/** What is to be sent for `toggle`, or how it ends where nothing is. */
const begin = (toggle: Toggle, patchFor: PatchFor, context: SwitchContext): SentPatch | Switched => {
  if (!context.mayUse(toggle)) return { kind: "hidden" };
  const patch = patchFor(toggle);
  if (patch === undefined) return { kind: "idle", toggle };
  const lack = context.lacks(toggle);
  if (lack !== undefined) return { kind: "unapproved", lack };
  const { name, uid, generation = 0 } = toggle.metadata;
  const begun = { toggle: name, uid, generation, patch };
  context.onBegin(begun);
  return begun;
};

class Switching {
  readonly #context: SwitchContext;
  readonly #patchFor: PatchFor;
  readonly #isLate: () => boolean;
  readonly #deadline: ApiDeadline;
  #begun: SentPatch;
  #mayHaveBeenSent: boolean;

  constructor(
    context: SwitchContext,
    start: { begun: SentPatch; mayHaveBeenSent: boolean; patchFor: PatchFor },
    isLate: () => boolean,
  ) {
    this.#context = context;
    this.#patchFor = start.patchFor;
    this.#isLate = isLate;
    this.#deadline = startDeadline(context.clock);
    this.#begun = start.begun;
    this.#mayHaveBeenSent = start.mayHaveBeenSent;
  }

  async run(): Promise<Switched> {
    for (;;) {
      const result = await this.#lookOrSend();
      if ("kind" in result) return result;
      if (result.ok) return { kind: "switched", toggle: result.toggle };
      const end = await this.#endBy(result.why);
      if (end !== undefined) return end;
      if (!(await this.#deadline.pause())) return failed(result.why);
    }
  }

  /** Looks first where a patch may have been sent: it may have taken effect. */
  async #lookOrSend(): Promise<Switched | ToggleResult> {
    if (this.#mayHaveBeenSent) {
      const found = await this.#get();
      if (!found.ok) return found;
      const verdict = verdictOf(this.#begun, found.toggle, this.#context);
      if (verdict !== undefined) return verdict;
      if (this.#isLate()) return { kind: "late", toggle: found.toggle };
    }
    const { toggle, patch, generation } = this.#begun;
    return this.#deadline.inTime(this.#context.toggles.patch(toggle, patch, generation));
  }

  /** How a failure ends the switch; undefined where it is tried again. */
  async #endBy(why: ToggleFailure): Promise<Switched | undefined> {
    if (why === "unavailable") this.#mayHaveBeenSent = true;
    else if (why !== "changed") return failed(why);
    // What the watch remembered was old. This patch was refused for certain: it can begin anew.
    else if (!this.#mayHaveBeenSent) return this.#beginAnew();
    return undefined;
  }

  async #beginAnew(): Promise<Switched | undefined> {
    const found = await this.#get();
    if (!found.ok) return found.why === "unavailable" ? undefined : failed(found.why);
    const begun = begin(found.toggle, this.#patchFor, this.#context);
    if ("kind" in begun) return begun;
    this.#begun = begun;
    return undefined;
  }

  #get(): Promise<ToggleResult> {
    return this.#deadline.inTime(this.#context.toggles.get(this.#begun.toggle));
  }
}

/** Switches `toggle`, which was just looked up. `patchFor` is asked again where it has changed meanwhile. */
export const switchOnce = async (
  context: SwitchContext,
  toggle: Toggle,
  patchFor: PatchFor,
): Promise<Switched> => {
  const begun = begin(toggle, patchFor, context);
  if ("kind" in begun) return begun;
  return new Switching(context, { begun, mayHaveBeenSent: false, patchFor }, () => false).run();
};

/** Ends a switch that was begun before the process was killed. `isLate`: whether it may not take effect any more. */
export const resumeSwitch = (
  context: Omit<SwitchContext, "onBegin">,
  begun: SentPatch,
  isLate: () => boolean,
): Promise<Switched> =>
  new Switching(
    { ...context, onBegin: () => {} },
    { begun, mayHaveBeenSent: true, patchFor: () => begun.patch },
    isLate,
  ).run();
