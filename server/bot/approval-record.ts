// SPDX-License-Identifier: Apache-2.0
// Defines what the journal keeps of an approval: what a command waits for, who has given it, and who let it run.
import { type Static, Type } from "@sinclair/typebox";

/** A user who approved a command with the event `event`; `withdrawn` where that was redacted since. */
const Approver = Type.Object({
  user: Type.String(),
  event: Type.String(),
  withdrawn: Type.Optional(Type.Boolean()),
});
export type Approver = Static<typeof Approver>;

/** The approval that a command waits for. `need` users were to give it when it was asked for; `code` names it. */
export const Approval = Type.Object({
  code: Type.String(),
  need: Type.Integer(),
  approvers: Type.Array(Approver),
  /** How often the question was edited. */
  edits: Type.Integer(),
});
export type Approval = Static<typeof Approval>;

/** What a command that others were asked about has behind it; `question` is the event that they answered. */
export const Approved = Type.Object({
  question: Type.String(),
  by: Type.Array(Type.String()),
  edits: Type.Integer(),
});
export type Approved = Static<typeof Approved>;
