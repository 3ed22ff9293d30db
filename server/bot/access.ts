// SPDX-License-Identifier: Apache-2.0
// Authorizes commands: who may command the bot, and which Toggle from which room. A Toggle's annotations restrict that and
// never extend it.
import { Value } from "@sinclair/typebox/value";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { UserId } from "./user-list.ts";

/** Full user ids, comma-separated: of those in ALLOWED_USERS only these may use the Toggle. */
export const ALLOWED_USERS_ANNOTATION = "toggle.j5t.io/allowed-users";
/** Room ids, comma-separated: the Toggle may be used from these rooms only. */
export const ALLOWED_ROOMS_ANNOTATION = "toggle.j5t.io/allowed-rooms";

/** The longest id, https://spec.matrix.org/latest/appendices/#identifier-grammar */
const MAX_ID = 255;
const SERVER = "[A-Za-z0-9.\\-]+(:[0-9]{1,5})?|\\[[0-9A-Fa-f:.]+\\](:[0-9]{1,5})?";
/** Rooms of version 12 and later have no server in their id. */
const ROOM_ID = new RegExp(`^![^\\s:,]+(:(${SERVER}))?$`);

const isUserId = (entry: string): boolean => Value.Check(UserId, entry);
const isRoomId = (entry: string): boolean => ROOM_ID.test(entry) && entry.length <= MAX_ID;

/** Somebody in a room. */
export type CommandSource = { readonly sender: string; readonly room: string };

export type Access = {
  /** Whether the bot listens to `user` at all: to commands, invitations, reactions, and what it can't decrypt. */
  mayTalk(user: string): boolean;
  /** Whether a source may see and switch `toggle`. */
  mayUse(toggle: Toggle, source: CommandSource): boolean;
  /** Those who may see and switch `toggle` in a room, whether they are in it or not. */
  usersOf(toggle: Toggle, room: string): readonly string[];
};

/** An annotation that can't be read, for the log. */
export type UnreadableAnnotation = { readonly toggle: string; readonly annotation: string };

/** The ids of an annotation; undefined where one of its entries is none. */
const idsOf = (text: string, isId: (entry: string) => boolean): ReadonlySet<string> | undefined => {
  const entries = text.split(",").map((entry) => entry.trim());
  return entries.every(isId) ? new Set(entries) : undefined;
};

/**
 * The one check of who may do what. `onUnreadable` is told of an annotation that lets nobody in because it can't be read,
 * once for each text that it has.
 */
export const createAccess = (
  allowedUsers: readonly string[],
  onUnreadable: (annotation: UnreadableAnnotation) => void = () => {},
): Access => {
  const users = new Set(allowedUsers);
  /** The text last complained of, by Toggle and annotation. */
  const told = new Map<string, string>();
  const isIn = (
    toggle: Toggle,
    annotation: string,
    isId: (entry: string) => boolean,
    candidate: string,
  ): boolean => {
    const annotations = toggle.metadata.annotations ?? {};
    const text = Object.hasOwn(annotations, annotation) ? annotations[annotation] : undefined;
    if (text === undefined) return true;
    const ids = idsOf(text, isId);
    if (ids !== undefined) return ids.has(candidate);
    const name = toggle.metadata.name;
    if (told.get(`${name} ${annotation}`) !== text) {
      told.set(`${name} ${annotation}`, text);
      onUnreadable({ toggle: name, annotation });
    }
    return false;
  };
  const mayTalk = (user: string): boolean => users.has(user) && user.length <= MAX_ID;
  const mayUse: Access["mayUse"] = (toggle, { sender, room }) =>
    mayTalk(sender) &&
    isIn(toggle, ALLOWED_USERS_ANNOTATION, isUserId, sender) &&
    isIn(toggle, ALLOWED_ROOMS_ANNOTATION, isRoomId, room);
  return {
    mayTalk,
    mayUse,
    usersOf: (toggle, room) => [...users].filter((sender) => mayUse(toggle, { sender, room })),
  };
};
