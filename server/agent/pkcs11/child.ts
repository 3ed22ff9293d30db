// SPDX-License-Identifier: Apache-2.0
// Entry of the PKCS#11 child process: the only process that loads the module and reads the PIN. Does one call at a time.
import { ckrName } from "./ckr.ts";
import {
  type Answer,
  type ChildMessage,
  type Operation,
  type PinRefusal,
  parentMessage,
  type Stage,
} from "./messages.ts";
import { CkrError } from "./module-call.ts";
import { attachToken, startFailure } from "./token-attach.ts";
import { openView, type View } from "./token-view.ts";

const send = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => undefined);
};
const progress = (stage: Stage): void => send({ type: "progress", stage });

let view: View | undefined;
let answerLogin: ((refusal: PinRefusal | undefined) => void) | undefined;

/** Sends the last message and leaves once it is out. */
const leaveWith = (message: ChildMessage): void => {
  process.send?.(message, undefined, undefined, () => process.exit(0));
};

const perform = async (operation: Operation): Promise<Answer> => {
  if (view === undefined) return { kind: "fault", ckr: "UNEXPECTED", call: "before ready" };
  try {
    switch (operation.type) {
      case "read":
        return view.read(operation.path);
      case "list":
        return await view.list(operation.prefix);
      case "refresh":
        return await view.refresh();
    }
  } catch (error) {
    if (error instanceof CkrError) return { kind: "fault", ckr: ckrName(error.value), call: error.call };
    throw error; // a bug: the process dies, and the agent starts another
  }
};

process.on("disconnect", () => process.exit(0));
// A terminal's Ctrl-C reaches the whole process group; the agent decides when this process ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);

process.on("message", async (message: unknown) => {
  if (!parentMessage.Check(message)) process.exit(70);
  switch (message.type) {
    case "configure": {
      try {
        const ask = (pin: string, countLow: boolean): Promise<PinRefusal | undefined> =>
          new Promise((resolve) => {
            answerLogin = resolve;
            send({ type: "loginIntent", pin, countLow });
          });
        const attached = await attachToken(message, ask, progress);
        view = await openView(attached, () => progress("load"));
        send({ type: "ready", view: view.token });
      } catch (error) {
        leaveWith(startFailure(error));
      }
      return;
    }
    case "login":
      answerLogin?.(message.refusal);
      return;
    case "call":
      send({ type: "answer", id: message.id, answer: await perform(message.operation) });
  }
});

progress("boot");
