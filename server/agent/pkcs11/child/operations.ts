// SPDX-License-Identifier: Apache-2.0
// Runs the operations that the agent asks for on the attached token: reads at once, all others one after another.
import { SlotFlag } from "graphene-pk11";
import { createSerialQueue } from "../../../queue.ts";
import type { Answer } from "../answers.ts";
import type { Operation } from "../messages.ts";
import { CkrError, callModule } from "./module-calls.ts";
import { changePinOf } from "./pin-change.ts";
import type { Attached } from "./session.ts";
import type { View } from "./token-cache.ts";
import type { TokenWriter } from "./writer.ts";

/** What operations are made of. */
type OperatedView = Pick<View, "read" | "list" | "refresh"> & {
  writer: Pick<TokenWriter, "change" | "batch" | "look" | "tidy" | "undo" | "recover" | "repair">;
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

/** The operations on one token and the view of it. */
export class Operations {
  readonly #attached: Attached;
  readonly #view: OperatedView;
  readonly #inTurn = createSerialQueue();
  /** The paths that are being written. */
  #writing: readonly string[] = [];

  constructor(attached: Attached, view: OperatedView) {
    this.#attached = attached;
    this.#view = view;
  }

  /** @throws CkrError where the module failed, StartFault where a new log-in was refused */
  async perform(operation: Operation): Promise<Answer> {
    const view = this.#view;
    const { writer } = view;
    switch (operation.type) {
      case "read":
        if (this.#writing.includes(operation.path)) await this.#inTurn(async () => {});
        return view.read(operation.path);
      case "list":
        return this.#inTurn(() => view.list(operation.prefix));
      case "refresh":
        return this.#inTurn(() => view.refresh());
      case "probe":
        return this.#inTurn(async () => ({ kind: "present", present: isPresent(this.#attached) }));
      case "change": {
        const isConfirmed = this.#attached.quirks.cache === "cached";
        return this.#inTurnAt([operation.path], () => writer.change(operation, isConfirmed));
      }
      case "batch": {
        const { changes } = operation;
        const paths = changes.map(({ path }) => path);
        return this.#inTurnAt(paths, () => writer.batch(changes));
      }
      case "look":
        return this.#inTurnAt([operation.path], async () => writer.look(operation));
      case "tidy":
        return this.#inTurnAt([operation.path], () => writer.tidy(operation.path, operation.remove));
      case "undo":
        return this.#inTurnAt([operation.path], () => writer.undo(operation.path));
      case "recover":
        return this.#inTurn(() => writer.recover());
      case "repair":
        return this.#inTurn(() => writer.repair(operation.dryRun));
      case "setPin":
        return this.#inTurn(() => changePinOf(this.#attached, operation.current, operation.next));
    }
  }

  #inTurnAt(paths: readonly string[], work: () => Promise<Answer>): Promise<Answer> {
    return this.#inTurn(async () => {
      this.#writing = paths;
      try {
        return await work();
      } finally {
        this.#writing = [];
      }
    });
  }
}
