// SPDX-License-Identifier: Apache-2.0
// Recognizes text messages and reactions among events, and parses their content.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../http/validation.ts";

const Text = compileSchema(
  Type.Object({
    msgtype: Type.Literal("m.text"),
    body: Type.String(),
    "m.relates_to": Type.Optional(
      Type.Object({
        "m.in_reply_to": Type.Optional(Type.Object({ event_id: Type.Optional(Type.String()) })),
      }),
    ),
  }),
);

const Replaces = compileSchema(
  Type.Object({ "m.relates_to": Type.Object({ rel_type: Type.Literal("m.replace") }) }),
);

const Annotation = compileSchema(
  Type.Object({
    "m.relates_to": Type.Object({
      rel_type: Type.Literal("m.annotation"),
      event_id: Type.String(),
      key: Type.String(),
    }),
  }),
);

/** https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions */
const Mentions = compileSchema(
  Type.Object({ "m.mentions": Type.Object({ user_ids: Type.Array(Type.Unknown()) }) }),
);

const Redacts = compileSchema(Type.Object({ redacts: Type.String() }));
const Relates = compileSchema(Type.Object({ "m.relates_to": Type.Record(Type.String(), Type.Unknown()) }));
const Reply = compileSchema(Type.Object({ event_id: Type.String() }));

type Content = Readonly<Record<string, unknown>>;

/** Id of the event that a redaction takes back. https://spec.matrix.org/latest/client-server-api/#mroomredaction */
export const redactedBy = ({
  redacts,
  content,
}: {
  redacts?: string;
  content: Content;
}): string | undefined => (Redacts.Check(content) ? content.redacts : redacts);

/**
 * Whom a message mentions and what it answers. In a thread every message says that it replies to the one before, unless it is
 * said to be a real reply. https://spec.matrix.org/latest/client-server-api/#fallback-for-unthreaded-clients
 */
export const relationsOf = (
  content: Content,
  userId: string,
): { mentioned: boolean; replyTo?: string; thread?: string } => {
  const mentioned = Mentions.Check(content) && content["m.mentions"].user_ids.includes(userId);
  const relation = Relates.Check(content) ? content["m.relates_to"] : {};
  const { rel_type: type, event_id: root, is_falling_back: isFallback, "m.in_reply_to": reply } = relation;
  const isThread = type === "m.thread" && typeof root === "string";
  const isReply = Reply.Check(reply) && !(isThread && isFallback === true);
  return {
    mentioned,
    ...(isReply && { replyTo: reply.event_id }),
    ...(isThread && { thread: root }),
  };
};

/**
 * Whether the content is an edit. Of an encrypted event the relation stands outside, where the homeserver could take it
 * away; what replaces the text is inside, and says it as well.
 * https://spec.matrix.org/latest/client-server-api/#event-replacements
 */
export const isEdit = (content: Content): boolean =>
  Replaces.Check(content) || Object.hasOwn(content, "m.new_content");

/**
 * The text of a m.room.message with msgtype m.text, without the quotation that older clients put before a reply;
 * undefined of all others, edits included.
 */
export const textOf = (content: Content): string | undefined => {
  if (isEdit(content) || !Text.Check(content)) return undefined;
  return content["m.relates_to"]?.["m.in_reply_to"] ? withoutQuotation(content.body) : content.body;
};

/** https://spec.matrix.org/v1.12/client-server-api/#fallbacks-for-rich-replies: lines with `> `, then an empty one. */
const withoutQuotation = (body: string): string => {
  const lines = body.split("\n");
  const first = lines.findIndex((line) => !(line === ">" || line.startsWith("> ")));
  if (first <= 0) return body;
  return lines.slice(lines[first] === "" ? first + 1 : first).join("\n");
};

export type Reaction = { readonly to: string; readonly kind: "refresh" | "confirm" };

/** A reaction with 🔄 or 🔁, or with 👍; undefined of all others. */
export const reactionOf = (content: Content): Reaction | undefined => {
  if (!Annotation.Check(content)) return undefined;
  const { key, event_id: to } = content["m.relates_to"];
  const kind = KINDS.get(key.replace(UNCOUNTED, ""));
  return kind && { to, kind };
};

const KINDS: ReadonlyMap<string, Reaction["kind"]> = new Map([
  ["🔄", "refresh"],
  ["🔁", "refresh"],
  ["👍", "confirm"],
]);
/** A variation selector, which some clients put behind an emoji, or the colour of a hand. */
const UNCOUNTED = /[\ufe0f\u{1f3fb}-\u{1f3ff}]$/u;
