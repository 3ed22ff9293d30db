// SPDX-License-Identifier: Apache-2.0
// Stands between the crypto machine and emoji verification: lets in events of allowed users alone, and never what would have the
// machine trust somebody, because no person compares emoji for the bot.
import type { Logger } from "pino";
import { jsonOf } from "../../json.ts";
import { type CryptoRequest, type Id, type OlmMachine, RequestType } from "./olm-machine.ts";
import {
  mayHoldVerification,
  toDeviceVerification,
  type VerificationAccess,
  type VerificationEvent,
  type VerificationFlow,
  type VerificationMessage,
} from "./verification-access.ts";

export type VerificationPort = {
  /** Undefined where the machine knows none. */
  flow(user: string, flow: string): VerificationFlow | undefined;
  /** Takes in an event of a room, in the clear. */
  receive(event: VerificationEvent, content: object, room: string): Promise<void>;
  /** What the machine wants sent, in order; each is to be told to `sent`. */
  outgoing(): Promise<VerificationMessage[]>;
  sent(message: VerificationMessage): Promise<void>;
  /** Says who is told of to-device events, once the machine has taken them in. */
  listen(listener: (event: VerificationEvent) => void): void;
};

export type VerificationPortOptions = {
  machine(): OlmMachine | undefined;
  readonly roomId: (text: string) => Id;
  /** Never true of the bot's own account. */
  readonly mayVerify: (user: string) => boolean;
  /** Asks for the devices of a user anew. */
  readonly queryDevices: (user: string) => Promise<void>;
  readonly isKnownDevice: (user: string, device: string) => Promise<boolean>;
  readonly logger: Pick<Logger, "warn">;
};

/** What a guarded machine does with the to-device events of a sync. */
export type ToDeviceGuard = {
  /** The events that the machine may have, JSON. */
  before(events: string): Promise<string>;
  /** To be called with what `before` was given and with the decrypted events, once the machine has taken them in. */
  after(events: string, decrypted: string): void;
};

const eventsIn = (json: string): unknown[] => {
  const events: unknown = jsonOf(Buffer.from(json));
  return Array.isArray(events) ? events : [];
};

const verificationsIn = (json: string): VerificationEvent[] =>
  mayHoldVerification(json) ? eventsIn(json).flatMap((event) => toDeviceVerification(event) ?? []) : [];

/** Keeps the machine out of all verifications: those of an engine that has none. */
export const withoutVerifications: ToDeviceGuard = {
  before: async (events) =>
    mayHoldVerification(events)
      ? JSON.stringify(eventsIn(events).filter((event) => toDeviceVerification(event) === undefined))
      : events,
  after() {},
};

export const createVerificationPort = (
  options: VerificationPortOptions,
): { port: VerificationPort; guard: ToDeviceGuard } => {
  const port = new Port(options);
  return { port, guard: port };
};

class Port implements VerificationPort, ToDeviceGuard {
  readonly #options: VerificationPortOptions;
  #listener: (event: VerificationEvent) => void = () => {};

  constructor(options: VerificationPortOptions) {
    this.#options = options;
  }

  listen(listener: (event: VerificationEvent) => void): void {
    this.#listener = listener;
  }

  flow(user: string, flow: string): VerificationFlow | undefined {
    return this.#options.mayVerify(user) ? this.#access?.verificationFlow(user, flow) : undefined;
  }

  async receive(event: VerificationEvent, content: object, room: string): Promise<void> {
    if (!this.#isForMachine(event)) return;
    await this.#learnDevice(event);
    await this.#access?.receiveVerificationEvent(JSON.stringify(content), this.#options.roomId(room));
  }

  async outgoing(): Promise<VerificationMessage[]> {
    const messages = (await this.#access?.outgoing()) ?? [];
    const [ours, others] = [
      messages.filter(this.#isToAllowed),
      messages.filter((one) => !this.#isToAllowed(one)),
    ];
    // Whoever may not command the bot gets no answer at all, not even that a verification has ended.
    for (const message of others) await this.sent(message);
    return ours;
  }

  async sent({ id, type }: VerificationMessage): Promise<void> {
    const body = type === RequestType.roomMessage ? { event_id: "$unused" } : {};
    await this.#options.machine()?.markRequestAsSent(id, type, JSON.stringify(body));
  }

  async before(events: string): Promise<string> {
    const verifications = verificationsIn(events);
    if (verifications.length === 0) return events;
    for (const event of verifications) if (this.#isForMachine(event)) await this.#learnDevice(event);
    return JSON.stringify(
      eventsIn(events).filter((event) => {
        const verification = toDeviceVerification(event);
        return verification === undefined || this.#isForMachine(verification);
      }),
    );
  }

  after(events: string, decrypted: string): void {
    for (const event of [...verificationsIn(events), ...verificationsIn(decrypted)]) {
      if (this.#options.mayVerify(event.sender)) this.#listener(event);
    }
  }

  get #access(): VerificationAccess | undefined {
    return this.#options.machine()?.verification;
  }

  /** After the other side's `done` the machine would hold the other's identity for verified, and sign it. */
  #isForMachine({ sender, step }: VerificationEvent): boolean {
    return this.#options.mayVerify(sender) && step !== "done" && step !== "foreign";
  }

  /** The machine ignores a request of a device that it does not know yet. */
  async #learnDevice({ step, sender, device }: VerificationEvent): Promise<void> {
    const { isKnownDevice, queryDevices, logger } = this.#options;
    if (step !== "request" || device === undefined) return;
    try {
      if (!(await isKnownDevice(sender, device))) await queryDevices(sender);
    } catch (err) {
      logger.warn(
        { err, user: sender },
        "the devices of a user who asks for a verification could not be learned",
      );
    }
  }

  readonly #isToAllowed = (message: VerificationMessage): boolean => {
    if (message.room !== undefined) return true;
    const users = recipientsOf(message);
    return users.length > 0 && users.every((user) => this.#options.mayVerify(user));
  };
}

const recipientsOf = ({ body }: CryptoRequest): string[] => {
  const request: unknown = jsonOf(Buffer.from(body));
  const messages =
    typeof request === "object" && request !== null && "messages" in request ? request.messages : request;
  return typeof messages === "object" && messages !== null ? Object.keys(messages) : [];
};

/** Whether a request that publishes signatures, JSON, has none but those on keys of `user`. */
export const signsOnly = (user: string, body: string): boolean => {
  const signed: unknown = jsonOf(Buffer.from(body));
  return (
    typeof signed === "object" && signed !== null && Object.keys(signed).every((owner) => owner === user)
  );
};
