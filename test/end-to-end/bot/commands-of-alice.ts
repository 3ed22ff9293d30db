// SPDX-License-Identifier: Apache-2.0
// Sends distinguishable commands as the user Alice, and records what her client shows of the bot in that room.
import type { SeenEvent } from "../../../scripts/homeserver/client/seen-events.ts";
import type { Scene } from "./scene.ts";

/** `no such`: the status of a Toggle that is not there, whose answer names it. */
export type CommandKind = "start" | "start 2h" | "stop" | "status" | "no such";

type Command = {
  /** Its event id. */
  readonly id: string;
  readonly kind: CommandKind;
  /** The reason of a switch, or the name that was asked for: no other command has it. */
  readonly marker: string;
};

export type AliceTalk = {
  /** All that were sent, in their order. */
  readonly commands: readonly Command[];
  send(kind: CommandKind): Promise<Command>;
  /** Sends a command whose answer names it, and waits for that. */
  probe(seconds: number): Promise<SeenEvent>;
  /** All messages of the bot, edits included, read or not. */
  ofBot(): readonly SeenEvent[];
  /** Without the edits, and without the last words on switches. */
  answers(): readonly SeenEvent[];
  /** Waits until there are as many answers as commands. */
  allAnswered(seconds: number): Promise<void>;
  /** Sends a command, when all others are answered, and answers with the id of its answer. */
  lastAnswer(kind: CommandKind): Promise<string>;
};

const textOf = (kind: CommandKind, marker: string): string => {
  if (kind === "no such") return `status ${marker}`;
  if (kind === "status") return "status web";
  const [verb, ...time] = kind.split(" ");
  return [verb, "web", ...time, "because", marker].join(" ");
};

/** `room`: the room's id, from when there is one. */
export const converse = ({ alice, account }: Scene, room: () => string): AliceTalk => {
  const commands: Command[] = [];
  const ofBot = () =>
    alice.inRoom(room()).filter(({ sender, type }) => sender === account.userId && type !== "m.room.member");
  // What is not decrypted yet has no kind, and a last word is no notice.
  const answers = () => ofBot().filter(({ edits, kind }) => edits === undefined && kind === "m.notice");
  const send = async (kind: CommandKind): Promise<Command> => {
    const marker = `marker-${commands.length + 1}`;
    // Others may be sent before this one is; it has its place and its number.
    const command = { id: "", kind, marker };
    commands.push(command);
    command.id = await alice.sendText(room(), textOf(kind, marker));
    return command;
  };
  const allAnswered = async (seconds: number): Promise<void> => {
    await alice.until(`${commands.length} answers`, () => answers().length >= commands.length, seconds);
  };
  return {
    commands,
    send,
    ofBot,
    answers,
    allAnswered,
    async probe(seconds) {
      const { marker } = await send("no such");
      const text = new RegExp(`\\b${marker}\\b`);
      return alice.nextMessage({ room: room(), from: account.userId, text, seconds });
    },
    async lastAnswer(kind) {
      const before = new Set(answers().map(({ id }) => id));
      await send(kind);
      await allAnswered(60);
      return answers().find(({ id }) => !before.has(id))?.id ?? "";
    },
  };
};
