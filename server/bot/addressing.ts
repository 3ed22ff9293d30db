// SPDX-License-Identifier: Apache-2.0
// Decides which lines of a room are said to the bot, and takes off what addresses it: its name or the prefix.
import type { Message } from "./chat.ts";
import { commandOf, namesIn } from "./command.ts";

/**
 * `auto`: in a direct room every line, in a shared one what is addressed and whole commands with a Toggle's name; `always`:
 * every line everywhere; `mention`: in a shared room only what is addressed.
 */
export const ADDRESSING_MODES = ["auto", "always", "mention"] as const;
type AddressingMode = (typeof ADDRESSING_MODES)[number];

export type Addressing = {
  /** ADDRESSING */
  readonly mode: AddressingMode;
  /** COMMAND_PREFIX */
  readonly prefix: string;
  /** Whether a bare start, stop, on or off counts in a shared room: where DEPLOYMENT_NAME is set. */
  readonly bare: boolean;
};

export type AddressingView = {
  /** Whether the event is a message of the bot, or the root of a thread that it answered in. */
  isOwn(event: string): boolean;
  /** Whether the sender may use a Toggle of this name in the room. */
  isToggle(name: string): boolean;
};

/** What somebody says to the bot, without what addresses it; undefined where the line is none of its business. */
export const addressedText = (
  { text, context }: Pick<Message, "text" | "context">,
  { mode, prefix, bare }: Addressing,
  { isOwn, isToggle }: AddressingView,
): string | undefined => {
  const line = withPlainPills(text, context.names).trim();
  const { replyTo, thread } = context;
  const isReplyToOthers = replyTo !== undefined && !isOwn(replyTo);
  const called = withoutName(line, context) ?? withoutPrefix(line, prefix);
  if (called !== undefined) return called;
  if (context.direct || mode === "always") return line;
  if (replyTo !== undefined && !isReplyToOthers) return line;
  if (thread !== undefined && isOwn(thread)) return line;
  // Clients mention whom the message that is replied to mentions: that is not said to the bot.
  if (context.mentioned && !isReplyToOthers) return line;
  if (mode === "mention") return undefined;
  if (namesToggles(line, isToggle)) return line;
  return bare && !isReplyToOthers && BARE.test(line) ? line : undefined;
};

const BARE = /^(?:start|stop|on|off)$/i;

/** Whether the line is wholly a command, all of whose names are those of Toggles. */
const namesToggles = (line: string, isToggle: AddressingView["isToggle"]): boolean => {
  const names = namesIn(commandOf(line));
  return names.length > 0 && names.every(isToggle);
};

/** What some clients make of a mention in the plain text. */
const PILL = /\[[^\]\n]{0,255}\]\(https:\/\/matrix\.to\/#\/([^)\s]{1,800})\)/g;

/** Mentions of the bot as its id: the first of `names`. */
const withPlainPills = (text: string, [id = ""]: readonly string[]): string =>
  text.replace(PILL, (pill, target: string) => (isIdOf(target, id) ? id : pill));

const isIdOf = (target: string, id: string): boolean => {
  try {
    return decodeURIComponent(target) === id;
  } catch {
    return false;
  }
};

/** `@bot stop`, `bot: stop`, `bot, stop`; where it is mentioned `bot stop` and `stop bot` as well. */
const withoutName = (
  line: string,
  { names, mentioned }: Pick<Message["context"], "names" | "mentioned">,
): string | undefined => {
  // The longest first: the id begins with a shorter name.
  const spellings = names
    .flatMap((name) => (name.startsWith("@") ? [name] : [`@${name}`, name]))
    .sort((a, b) => b.length - a.length);
  for (const name of spellings) {
    const isCall = name.startsWith("@") || mentioned;
    const found = behindName(line, name, isCall) ?? (mentioned ? beforeName(line, name) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
};

const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const behindName = (line: string, name: string, isCall: boolean): string | undefined => {
  if (!isSame(line.slice(0, name.length), name)) return undefined;
  const rest = line.slice(name.length);
  if (/^[:,](?:\s|$)/.test(rest)) return rest.slice(1).trim();
  return isCall && /^(?:\s|$)/.test(rest) ? rest.trim() : undefined;
};

const beforeName = (line: string, name: string): string | undefined => {
  const rest = line.slice(0, -name.length);
  return isSame(line.slice(-name.length), name) && /\s$/.test(rest)
    ? rest.trim().replace(/,$/, "")
    : undefined;
};

/** `!stop`, but not `!!!`; a prefix that is a word needs a space behind it. */
const withoutPrefix = (line: string, prefix: string): string | undefined => {
  if (!isSame(line.slice(0, prefix.length), prefix)) return undefined;
  const rest = line.slice(prefix.length);
  const isWord = /[\p{L}\p{N}]$/u.test(prefix);
  return (isWord ? /^\s+[\p{L}\p{N}]/u : /^[\p{L}\p{N}]/u).test(rest) ? rest.trim() : undefined;
};
