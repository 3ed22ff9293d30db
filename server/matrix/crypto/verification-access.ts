// SPDX-License-Identifier: Apache-2.0
// Defines emoji verification (m.sas.v1) as a crypto machine offers it, and recognises its events.
import { Type } from "@sinclair/typebox";
import { compileSchema } from "../../http/validation.ts";
import type { CryptoRequest, Id } from "./olm-machine.ts";

/** An event to be sent: to devices, or to `room`. `body` is JSON: `{"messages": …}`, or the content. */
export type VerificationMessage = CryptoRequest & {
  readonly eventType: string;
  readonly txnId: string;
  readonly room?: string;
};

/** One verification that another user has asked for. What its methods answer is to be sent. */
export type VerificationFlow = {
  readonly phase: "requested" | "ready" | "started" | "done" | "cancelled";
  /** Undefined where it goes from device to device. */
  readonly room: string | undefined;
  readonly device: string | undefined;
  /** Why it was cancelled: `m.user`, `m.timeout`, … */
  readonly cancelCode: string | undefined;
  /** Takes part, in the comparison of emoji alone. */
  accept(): VerificationMessage[];
  /** Goes on where the other side has begun with emoji. */
  acceptEmoji(): VerificationMessage[];
  /** The seven emoji with their names, or three numbers where the other client has no emoji; undefined before they are known. */
  shown(): string | undefined;
  readonly isConfirmed: boolean;
  /** Tells the other side which keys are ours, authenticated by what was compared. */
  confirm(): Promise<VerificationMessage[]>;
  /** Ends it. What follows need not be sent where the other side is through with it. */
  cancel(): VerificationMessage[];
};

/** What the machine of the WASM engine offers. */
export type VerificationAccess = {
  /** Takes in an event of a room, which was decrypted where it was encrypted; JSON. */
  receiveVerificationEvent(event: string, room: Id): Promise<void>;
  /** Undefined where there is none that another user has asked for: never one among devices of the bot's own account. */
  verificationFlow(user: string, flow: string): VerificationFlow | undefined;
  /** What is to be sent of verifications beside what their methods answer; each until it is marked as sent. */
  outgoing(): Promise<VerificationMessage[]>;
  /** Among outgoing requests those of verifications. */
  isVerificationRequest(request: CryptoRequest): request is VerificationMessage;
};

const PREFIX = "m.key.verification.";

/** An event of a verification, of a room or to a device. `flow` is the same in all of one verification. */
export type VerificationEvent = {
  /** `foreign`: a request to somebody else, who is in the same room. */
  readonly step: "request" | "done" | "foreign" | "other";
  readonly sender: string;
  readonly flow: string;
  /** Of a request alone. */
  readonly device?: string;
};

const Event = Type.Object({
  type: Type.String(),
  sender: Type.String(),
  event_id: Type.Optional(Type.String()),
  content: Type.Object({
    msgtype: Type.Optional(Type.Unknown()),
    to: Type.Optional(Type.Unknown()),
    from_device: Type.Optional(Type.Unknown()),
    transaction_id: Type.Optional(Type.Unknown()),
    "m.relates_to": Type.Optional(Type.Object({ event_id: Type.Optional(Type.Unknown()) })),
  }),
});
const verificationEvent = compileSchema(Event);

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** A to-device event, or undefined of all others. https://spec.matrix.org/latest/client-server-api/#key-verification-framework */
export const toDeviceVerification = (event: unknown): VerificationEvent | undefined => {
  if (!verificationEvent.Check(event) || !event.type.startsWith(PREFIX)) return undefined;
  const { type, sender, content } = event;
  const device = text(content.from_device);
  return {
    step: stepOf(type),
    sender,
    flow: text(content.transaction_id) ?? "",
    ...(device !== undefined && { device }),
  };
};

/** An event of a room, decrypted where it was encrypted; a request in it is a message to `user`. */
export const roomVerification = (event: unknown, user: string): VerificationEvent | undefined => {
  if (!verificationEvent.Check(event)) return undefined;
  const { type, sender, event_id: id = "", content } = event;
  if (type === "m.room.message" && content.msgtype === `${PREFIX}request`) {
    const device = text(content.from_device);
    const isOurs = content.to === user;
    return {
      step: isOurs ? "request" : "foreign",
      sender,
      flow: id,
      ...(device !== undefined && { device }),
    };
  }
  if (!type.startsWith(PREFIX)) return undefined;
  return { step: stepOf(type), sender, flow: text(content["m.relates_to"]?.event_id) ?? "" };
};

const stepOf = (type: string): VerificationEvent["step"] => {
  if (type === `${PREFIX}request`) return "request";
  return type === `${PREFIX}done` ? "done" : "other";
};

export const isVerificationType = (type: string): boolean => type.startsWith(PREFIX);

/** Whether a sync's to-device events, JSON, may have any of a verification. */
export const mayHoldVerification = (events: string): boolean => events.includes(PREFIX);
