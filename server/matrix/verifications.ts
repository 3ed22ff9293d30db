// SPDX-License-Identifier: Apache-2.0
// Answers emoji verifications of allowed users: takes part, says the emoji in the log and in the room, and confirms them, so that
// the user can verify the bot. The bot itself comes to trust nobody by it.
import { createHash } from "node:crypto";
import type { Chat } from "../bot/chat.ts";
import { createKeyedQueue } from "../queue.ts";
import {
  roomVerification,
  type VerificationEvent,
  type VerificationFlow,
  type VerificationMessage,
} from "./crypto/verification-access.ts";
import type { VerificationPort } from "./crypto/verification-port.ts";
import type { TimelineEvent } from "./sync-response.ts";
import { directRoomWith, type SendingOptions, sendVerification } from "./verification-messages.ts";

export type VerificationsOptions = SendingOptions & {
  readonly port: VerificationPort;
  readonly chat: Pick<Chat, "send">;
  readonly mayTalk: (user: string) => boolean;
};

export type Verifications = {
  /** Takes an event of a room that is part of a verification, in the clear; false of all others. */
  take(room: string, event: TimelineEvent): boolean;
  /** Resolves when what has come is answered. */
  idle(): Promise<void>;
};

/** More of one user wait for nothing good. */
const MOST_WAITING = 50;

/** How often a verification under way is looked at, and how often at most: ten minutes in all. */
const LOOK_MS = 30_000;
const MOST_LOOKS = 20;
const OPEN: ReadonlySet<VerificationFlow["phase"] | undefined> = new Set(["requested", "ready", "started"]);

/** Each answer can make the machine say more. */
const MOST_ROUNDS = 5;

export const createVerifications = (options: VerificationsOptions): Verifications => new Answering(options);

class Answering implements Verifications {
  readonly #options: VerificationsOptions;
  /** By user. */
  readonly #queue = createKeyedQueue();
  readonly #working = new Set<Promise<void>>();
  /** Those whose emoji were said, so that their end is worth a line. */
  readonly #said = new Set<string>();

  constructor(options: VerificationsOptions) {
    this.#options = options;
    options.port.listen((event) => this.#queueUp(event, async () => {}));
  }

  take(room: string, event: TimelineEvent): boolean {
    const { port, requests, mayTalk } = this.#options;
    const verification = roomVerification(event, requests.userId);
    if (verification === undefined) return false;
    if (mayTalk(event.sender)) this.#queueUp(verification, () => port.receive(verification, event, room));
    return true;
  }

  async idle(): Promise<void> {
    await Promise.all(this.#working);
  }

  #queueUp(event: VerificationEvent, first: () => Promise<void>): void {
    const { signal, logger } = this.#options;
    const { sender } = event;
    if (signal.aborted || this.#queue.length(sender) >= MOST_WAITING) return;
    const work = this.#queue.run(sender, async () => {
      if (signal.aborted) return;
      await first();
      await this.#answer(event);
    });
    this.#track(
      work.catch((err: unknown) =>
        logger.warn({ err, user: sender }, "a verification could not be answered"),
      ),
    );
  }

  #track(work: Promise<void>): void {
    this.#working.add(work);
    void work.finally(() => this.#working.delete(work));
  }

  async #answer(event: VerificationEvent): Promise<void> {
    const { sender, flow } = event;
    const { port } = this.#options;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const found = port.flow(sender, flow);
      const own = found === undefined ? [] : await this.#step(found, event);
      const more = await port.outgoing();
      for (const message of own) await sendVerification(this.#options, message);
      for (const message of more) {
        await sendVerification(this.#options, message);
        await port.sent(message);
        if (found !== undefined && isDone(message)) this.#end(found, event);
      }
      if (own.length + more.length === 0) return;
    }
  }

  /** Ends a verification with which nobody goes on: the machine says so by itself, but only when it is asked. */
  async #watch(event: VerificationEvent): Promise<void> {
    const { port, sleep, signal, logger } = this.#options;
    const { sender, flow } = event;
    const isOpen = () => OPEN.has(port.flow(sender, flow)?.phase);
    try {
      for (let look = 0; look < MOST_LOOKS && !signal.aborted; look += 1) {
        await sleep(LOOK_MS, signal);
        if (signal.aborted) return;
        await this.#queue.run(sender, () => this.#answer(event));
        if (!isOpen()) return;
      }
      for (const message of port.flow(sender, flow)?.cancel() ?? []) {
        await sendVerification(this.#options, message);
      }
    } catch (err) {
      logger.warn({ err, user: sender }, "a verification could not be ended");
    }
  }

  /** What there is to say to a verification as it is now. */
  async #step(found: VerificationFlow, event: VerificationEvent): Promise<VerificationMessage[]> {
    const { logger } = this.#options;
    const { sender, flow } = event;
    const about = { user: sender, device: found.device };
    if (found.phase === "requested") {
      logger.info(about, "a user asks for a verification");
      this.#track(this.#watch(event));
      return found.accept();
    }
    if (found.phase === "cancelled") {
      if (this.#said.delete(flow)) {
        logger.info({ ...about, code: found.cancelCode }, "a verification was cancelled");
      }
      return [];
    }
    if (found.phase !== "started") return [];
    const shown = found.shown();
    if (shown === undefined) return found.acceptEmoji();
    if (found.isConfirmed) return [];
    logger.info(
      { ...about, emoji: shown },
      "the emoji of a verification: the user's client has to show the same",
    );
    this.#said.add(flow);
    this.#track(this.#say(sender, flow, found.room, shown));
    return found.confirm();
  }

  /** The user has confirmed, and the machine has said `done` to that. It never hears the user's: see verification-port.ts. */
  #end(found: VerificationFlow, { sender, flow }: VerificationEvent): void {
    const about = { user: sender, device: found.device };
    this.#options.logger.info(about, "a user has compared the emoji and confirmed them");
    this.#said.delete(flow);
    // For the machine it is open, and the next one would be cancelled for it. That it is closed is told nobody.
    found.cancel();
  }

  /** Where it goes from device to device, in a room with nobody else, if there is one. */
  async #say(user: string, flow: string, room: string | undefined, shown: string): Promise<void> {
    const { chat, logger } = this.#options;
    try {
      const where = room ?? (await directRoomWith(this.#options, user));
      if (where === undefined) return;
      const name = createHash("sha256").update(`${user} ${flow}`).digest("base64url");
      await chat.send(where, answerWith(shown), `verification-${name}`);
    } catch (err) {
      logger.warn({ err, user }, "the emoji of a verification could not be said in a room");
    }
  }
}

const isDone = ({ eventType }: VerificationMessage): boolean => eventType === "m.key.verification.done";

/** The message comes the way that is being checked, so that it proves nothing to somebody who mistrusts the homeserver. */
const answerWith = (shown: string): string =>
  `Verification: ${shown}. If your client shows the same, confirm it there within a minute. If you don't trust the homeserver, compare with my log: this message comes by way of it.`;
