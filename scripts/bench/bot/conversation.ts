// SPDX-License-Identifier: Apache-2.0
// Measures how long a command in an encrypted room takes to patch the Toggle, to scale the Deployment and to be answered.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type MatrixEvent, MatrixEventEvent } from "matrix-js-sdk";
import type { User } from "../../homeserver/client/user.ts";
import { type Timing, timingOf } from "../quantile.ts";
import type { BenchScene } from "./bench-scene.ts";

/** Milliseconds; all but `scaled` since just before the message was given to the user's client. */
type Conversation = {
  /** The Toggle's spec has changed, as a watch shows it. */
  readonly patched: Timing;
  /** The Deployment's replicas have changed, since the Toggle had. */
  readonly scaled: Timing;
  /** The answer is decrypted in the user's client. */
  readonly answered: Timing;
};

/** A message between two clients without a bot. */
type Delivery = {
  /** The homeserver has taken it. */
  readonly taken: Timing;
  /** It is decrypted in the other client. */
  readonly decrypted: Timing;
};

type Command = { patched: number; scaled: number; answered: number };

const TogglePart = Type.Object({ enabled: Type.Boolean() });
const DeploymentPart = Type.Object({ replicas: Type.Integer() });

/** Commands that are not measured: they share keys, and find code that is not compiled yet. */
export const WARM_UP = 4;

/** The last word of an answer to a command. */
const SETTLED = /^\S+ is (off|running): /;

/** The next message, not an edit, that `user` decrypts, and when: on the clock of performance.now(). */
const nextDecrypted = (
  user: User,
  room: string,
  isMeant: (text: string) => boolean,
): Promise<{ at: number; id: string }> =>
  new Promise((resolve) => {
    const look = (event: MatrixEvent) => {
      const at = performance.now();
      const content: unknown = event.getOriginalContent();
      const isMessage = event.getType() === "m.room.message" && event.getRoomId() === room;
      if (!isMessage || event.getRelation() !== null || event.getSender() === user.userId) return;
      if (!Value.Check(Type.Object({ body: Type.String() }), content) || !isMeant(content.body)) return;
      user.client.off(MatrixEventEvent.Decrypted, look);
      resolve({ at, id: event.getId() ?? "" });
    };
    user.client.on(MatrixEventEvent.Decrypted, look);
  });

const isEcho = (text: string) => text.startsWith("🦞");

/** The last word on a switch mentions who asked; the one before may come with the next command. */
const isLastWord = (text: string, { userId }: User) => text.startsWith(`${userId}: `);

/** Switches the Toggle to the other side, and waits until the answer has become what stays. */
const command = async (scene: BenchScene, room: string): Promise<Command> => {
  const { user, toggles, deployments } = scene;
  const wanted = scene.turn();
  const patched = toggles.when(({ spec }) => Value.Check(TogglePart, spec) && spec.enabled === wanted);
  const scaled = deployments.when(
    ({ spec }) => Value.Check(DeploymentPart, spec) && spec.replicas > 0 === wanted,
  );
  const answered = nextDecrypted(user, room, (text) => !isEcho(text) && !isLastWord(text, user));
  const begin = performance.now();
  await user.sendText(room, wanted ? "start" : "stop");
  const answer = await answered;
  const patchedAt = await patched;
  const times = {
    patched: patchedAt - begin,
    scaled: (await scaled) - patchedAt,
    answered: answer.at - begin,
  };
  await user.textBecomes(answer.id, SETTLED);
  return times;
};

const deliver = async ({ user, bystander }: BenchScene, room: string) => {
  const decrypted = nextDecrypted(bystander, room, () => true);
  const begin = performance.now();
  await user.sendText(room, "stop");
  const taken = performance.now() - begin;
  return { taken, decrypted: (await decrypted).at - begin };
};

/** A room of the user's in which the bot is. */
export const roomWith = async ({ user }: BenchScene, bot: string): Promise<string> => {
  const room = await user.createRoom({ invite: [bot] });
  await user.seesMember(room, bot);
  return room;
};

/** An encrypted room of the two clients. */
export const roomOfTwo = async ({ user, bystander }: BenchScene): Promise<string> => {
  const room = await user.createRoom({ invite: [bystander.userId] });
  await bystander.invitation(room);
  await bystander.join(room);
  await user.seesMember(room, bystander.userId);
  await bystander.seesMember(room, user.userId);
  return room;
};

type Pair = { readonly command: Command; readonly delivery: { taken: number; decrypted: number } };

export type Compared = { readonly bot: Conversation; readonly delivery: Delivery };

const comparisonOf = (pairs: readonly Pair[]): Compared => ({
  bot: {
    patched: timingOf(pairs.map(({ command }) => command.patched)),
    scaled: timingOf(pairs.map(({ command }) => command.scaled)),
    answered: timingOf(pairs.map(({ command }) => command.answered)),
  },
  delivery: {
    taken: timingOf(pairs.map(({ delivery }) => delivery.taken)),
    decrypted: timingOf(pairs.map(({ delivery }) => delivery.decrypted)),
  },
});

/** `count` commands in a room, each followed by a message between two clients, so that a busy moment meets both. */
export const measureConversation = async (
  scene: BenchScene,
  rooms: { readonly bot: string; readonly two: string },
  count: number,
): Promise<Compared> => {
  const pairs: Pair[] = [];
  for (let index = 0; index < WARM_UP + count; index += 1) {
    pairs.push({ command: await command(scene, rooms.bot), delivery: await deliver(scene, rooms.two) });
  }
  return comparisonOf(pairs.slice(WARM_UP));
};

/** The first command in each of `count` new rooms, sent when the user's client shows the bot in it. */
export const measureNewRooms = async (scene: BenchScene, bot: string, count: number): Promise<Compared> => {
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index += 1) {
    pairs.push({
      command: await command(scene, await roomWith(scene, bot)),
      delivery: await deliver(scene, await roomOfTwo(scene)),
    });
  }
  return comparisonOf(pairs);
};
