// SPDX-License-Identifier: Apache-2.0
// Runs the PKCS#11 child process, the only process that loads the module and reads the PIN. Does one call at a time.
import type { Answer } from "../answers.ts";
import { ckrName } from "../ckr.ts";
import {
  type ChildMessage,
  type Configure,
  isWrite,
  type Operation,
  type PinRefusal,
  parentMessage,
  type Stage,
} from "../messages.ts";
import type { PinGate } from "./login.ts";
import { CkrError } from "./module-calls.ts";
import { Operations } from "./operations.ts";
import { attachToken, startFailure } from "./session.ts";
import { StartFault } from "./start-fault.ts";
import { openView, type View } from "./token-cache.ts";

const send = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => undefined);
};
const progress = (stage: Stage): void => send({ type: "progress", stage });

/** Sends the last message and leaves once it is out. */
const leaveWith = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => process.exit(0));
};

/** What is served once the token is loaded. */
let serving: { view: View; operations: Operations } | undefined;
let answerLogin: ((refusal: PinRefusal | undefined) => void) | undefined;

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

const perform = async (operation: Operation): Promise<Answer> => {
  if (serving === undefined) return { kind: "fault", ckr: "UNEXPECTED", call: "before ready" };
  try {
    return await serving.operations.perform(operation);
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
  if (!isWrite(operation) || serving === undefined) return { type: "answer", id, answer };
  const { view } = serving;
  return { type: "answer", id, answer, view: view.token, entries: view.changedEntries() };
};

const start = async (config: Configure): Promise<void> => {
  try {
    const attached = await attachToken(config, gate, (step) =>
      step === "provisioning" || step === "provisioned" ? send({ type: step }) : progress(step),
    );
    const view = await openView(attached, () => progress("load"));
    serving = { view, operations: new Operations(attached, view) };
    send({ type: "ready", view: view.token, entries: view.entries() });
  } catch (error) {
    leaveWith(startFailure(error));
  }
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
    case "configure":
      return start(message);
    case "login":
      answerLogin?.(message.refusal);
      return;
    case "call":
      send(await answerOf(message.id, message.operation));
  }
});

progress("boot");
