// SPDX-License-Identifier: Apache-2.0
// Decides how many users have to approve a switch of a Toggle, whose approvals count for it, and what its reason says of them.
import { ownProperty } from "../../hooks/formats.ts";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { shorten } from "../display-text.ts";
import type { Access, CommandSource } from "./access.ts";

/** How many users beside the one who asks have to approve a start, stop or restart: a whole number. */
export const APPROVALS_ANNOTATION = "toggle.j5t.io/approvals";
/** More are hardly found within the time. */
export const MOST_APPROVALS = 10;

/** Why a Toggle is not switched as things are. */
export type ApprovalLack =
  /** `text` is what the annotation has: no whole number from 1 to MOST_APPROVALS. */
  | { readonly kind: "unreadable"; readonly text: string }
  /** `need` users have to approve, and `has` did. */
  | { readonly kind: "missing"; readonly need: number; readonly has: number };

const WHOLE_NUMBER = /^[1-9][0-9]?$/;

const annotationOf = ({ metadata }: Toggle): string | undefined =>
  ownProperty(metadata.annotations ?? {}, APPROVALS_ANNOTATION);

/** How many have to approve; undefined where the annotation can't be read. Without one nobody has to. */
export const approvalsNeeded = (toggle: Toggle): number | undefined => {
  const text = annotationOf(toggle);
  if (text === undefined) return 0;
  const count = WHOLE_NUMBER.test(text.trim()) ? Number(text) : Number.NaN;
  return count <= MOST_APPROVALS ? count : undefined;
};

/** Of `users`, each once, those whose approval counts for `toggle`: who may use it too, and is not who asks. */
export const approversFor = (
  toggle: Toggle,
  { sender, room }: CommandSource,
  users: readonly string[],
  access: Pick<Access, "mayUse">,
): string[] =>
  [...new Set(users)].filter((user) => user !== sender && access.mayUse(toggle, { sender: user, room }));

/** What `toggle` lacks where `users` have approved; undefined where it can be switched. */
export const lackOf = (
  toggle: Toggle,
  source: CommandSource,
  users: readonly string[],
  access: Pick<Access, "mayUse">,
): ApprovalLack | undefined => {
  const need = approvalsNeeded(toggle);
  if (need === undefined) return { kind: "unreadable", text: annotationOf(toggle) ?? "" };
  const has = approversFor(toggle, source, users, access).length;
  return has < need ? { kind: "missing", need, has } : undefined;
};

/** The longest reason, as spec.reason of a Toggle has it. */
const MAX_REASON = 1024;
/** Of it, what names may take: ids can be 255 characters long. */
const MAX_NAMES = 700;

/** `reason` with who approved behind it; the field's length bounds it. */
export const approvedReason = (reason: string, users: readonly string[]): string => {
  if (users.length === 0) return reason;
  const named = users.filter((_, at) => users.slice(0, at + 1).join(", ").length <= MAX_NAMES);
  const more = users.length - named.length;
  const behind = `; approved by ${named.join(", ")}${more === 0 ? "" : ` and ${more} more`}`;
  return `${shorten(reason, MAX_REASON - behind.length)}${behind}`;
};
