// SPDX-License-Identifier: Apache-2.0
// Entry of the PKCS#11 child process: the only process that loads the module and reads the PIN. Does one call at a time.

import { SlotFlag } from "graphene-pk11";
import { createSerialQueue } from "../../../queue.ts";
import type { Answer } from "../answers.ts";
import { ckrName } from "../ckr.ts";
import {
  type ChildMessage,
  isWrite,
  type Operation,
  type PinRefusal,
  parentMessage,
  type Stage,
} from "../messages.ts";
import { changePin, type PinGate, pinDigest, refusalOf } from "./login.ts";
import { CkrError, callModule } from "./module-call.ts";
import { type Attached, attachToken, startFailure } from "./session.ts";
import { StartFault } from "./start-fault.ts";
import { openView, type View } from "./view.ts";

const send = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => undefined);
};
const progress = (stage: Stage): void => send({ type: "progress", stage });

let view: View | undefined;
let attached: Attached | undefined;
let answerLogin: ((refusal: PinRefusal | undefined) => void) | undefined;

/** Sends the last message and leaves once it is out. */
const leaveWith = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => process.exit(0));
};

/** The path that is being written. */
let writing: string | undefined;
/** What is not a read goes one after another. */
const inTurn = createSerialQueue();

const inTurnAt = (path: string, work: () => Promise<Answer>): Promise<Answer> =>
  inTurn(async () => {
    writing = path;
    try {
      return await work();
    } finally {
      writing = undefined;
    }
  });

/** Changes the PIN of the token, if `current` is the one that this process has logged in with. */
const setPin = async (held: Attached, current: string, next: string): Promise<Answer> => {
  const { guarded, pin } = held;
  const refusal = refusalOf(guarded);
  if (refusal !== undefined) return { kind: "pin", message: refusal, outcome: "locked" };
  if (pin === undefined || pinDigest(guarded.key, current) !== pin) {
    return { kind: "pin", message: "", outcome: "mismatch" };
  }
  const unfit = await changePin(guarded, current, next);
  if (unfit === undefined) {
    held.pin = pinDigest(guarded.key, next);
    return { kind: "pin", message: "", outcome: "changed" };
  }
  const message = `the token does not take the new PIN: C_SetPIN returned ${ckrName(unfit)}; tokens ask for a length, often 6 to 16 digits`;
  return { kind: "pin", message, outcome: "refused" };
};

/** Whether the slot has its token and the session is still one: neither touches the card with modules that cache. */
const isPresent = ({ guarded: { session, slot } }: Attached): boolean => {
  try {
    const { flags } = callModule("C_GetSlotInfo", () => session.lib.C_GetSlotInfo(slot.handle));
    callModule("C_GetSessionInfo", () => session.lib.C_GetSessionInfo(session.handle));
    return (flags & SlotFlag.TOKEN_PRESENT) !== 0;
  } catch (error) {
    if (error instanceof CkrError) return false;
    throw error;
  }
};

/** The guard in the parent. */
const gate: PinGate = {
  ask: (intent) =>
    new Promise((resolve) => {
      answerLogin = resolve;
      send({ type: "loginIntent", ...intent });
    }),
  ended: (outcome, replacedBy) =>
    send({ type: "loginOutcome", outcome, ...(replacedBy !== undefined && { replacedBy }) }),
};

const work = async (current: View, held: Attached, operation: Operation): Promise<Answer> => {
  switch (operation.type) {
    case "read":
      if (writing === operation.path) await inTurn(async () => {});
      return current.read(operation.path);
    case "list":
      return inTurn(() => current.list(operation.prefix));
    case "refresh":
      return inTurn(() => current.refresh());
    case "probe":
      return inTurn(async () => ({ kind: "present", present: isPresent(held) }));
    case "change":
      return inTurnAt(operation.path, () => current.writer.change(operation, held.ways.cache === "cached"));
    case "look":
      return inTurnAt(operation.path, async () => current.writer.look(operation));
    case "tidy":
      return inTurnAt(operation.path, () => current.writer.tidy(operation.path, operation.remove));
    case "undo":
      return inTurnAt(operation.path, () => current.writer.undo(operation.path));
    case "recover":
      return inTurn(() => current.writer.recover());
    case "repair":
      return inTurn(() => current.writer.repair(operation.dryRun));
    case "setPin":
      return inTurn(() => setPin(held, operation.current, operation.next));
  }
};

const perform = async (operation: Operation): Promise<Answer> => {
  if (view === undefined || attached === undefined)
    return { kind: "fault", ckr: "UNEXPECTED", call: "before ready" };
  try {
    return await work(view, attached, operation);
  } catch (error) {
    if (error instanceof CkrError) return { kind: "fault", ckr: ckrName(error.value), call: error.call };
    // A new log-in in the middle of a call was refused: there is nothing more to be done in this process.
    if (!(error instanceof StartFault)) throw error; // a bug: the process dies, and the agent starts another
    leaveWith(error.failure);
    return { kind: "fault", ckr: "UNEXPECTED", call: "C_Login" };
  }
};

const answerOf = async (id: number, operation: Operation): Promise<ChildMessage> => {
  const answer = await perform(operation);
  if (!isWrite(operation) || view === undefined) return { type: "answer", id, answer };
  return { type: "answer", id, answer, view: view.token, entries: view.changedEntries() };
};

process.on("disconnect", () => process.exit(0));
// Node would open its debugger, which reads all memory.
process.on("SIGUSR1", () => undefined);
// A terminal's Ctrl-C reaches the whole process group; the agent decides when this process ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

process.on("message", async (message: unknown) => {
  if (!parentMessage.Check(message)) process.exit(70);
  switch (message.type) {
    case "configure": {
      try {
        attached = await attachToken(message, gate, progress);
        view = await openView(attached, () => progress("load"));
        send({ type: "ready", view: view.token, entries: view.entries() });
      } catch (error) {
        leaveWith(startFailure(error));
      }
      return;
    }
    case "login":
      answerLogin?.(message.refusal);
      return;
    case "call":
      send(await answerOf(message.id, message.operation));
  }
});

progress("boot");
