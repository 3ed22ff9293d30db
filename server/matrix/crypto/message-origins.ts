// SPDX-License-Identifier: Apache-2.0
// Remembers which sender and device each decrypted message came from.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type DecryptedRoomEvent, ShieldCode } from "./olm-machine.ts";

export type MessageOrigin = {
  /** As the homeserver says. */
  readonly sender: string;
  /** The device whose keys the message was encrypted with; absent when it is unknown. */
  readonly device: string | undefined;
  /**
   * `signed`: by a device that is signed by its owner's identity, as far as that is known now.
   * `unsigned`: by a device that is not. `unknown`: the device is gone, or the keys came by another way.
   * `mismatched`: the keys are not those of a device of `sender`.
   */
  readonly state: "signed" | "unsigned" | "unknown" | "mismatched";
};

/** Whether the identity that a device's owner has now has signed it; `unknown`: there is no such device any more. */
export type CurrentDeviceTrust = "signed" | "unsigned" | "unknown";

export type MessageOrigins = {
  /** `event` is the JSON of the encrypted event. */
  note(event: string, result: DecryptedRoomEvent, device: CurrentDeviceTrust): void;
  /** Undefined when the event was not decrypted by us, or long ago. */
  of(eventId: string): MessageOrigin | undefined;
};

const EncryptedEvent = Type.Object({ event_id: Type.String(), sender: Type.String() });

/** More than a sync brings. */
const REMEMBERED = 1000;

const stateOf = (code: number | undefined): MessageOrigin["state"] => {
  if (code === ShieldCode.mismatchedSender) return "mismatched";
  if (code === ShieldCode.unsignedDevice) return "unsigned";
  const isSigned =
    code === ShieldCode.none ||
    code === ShieldCode.unverifiedIdentity ||
    code === ShieldCode.verificationViolation;
  return isSigned ? "signed" : "unknown";
};

export const createMessageOrigins = (): MessageOrigins => {
  const origins = new Map<string, MessageOrigin>();
  return {
    note(text, result, device) {
      const event: unknown = JSON.parse(text);
      if (!Value.Check(EncryptedEvent, event)) return;
      // Not strict: that would call a device signed or not by one name, that of an identity nobody verified by hand.
      const found = stateOf(result.shieldState(false)?.code);
      origins.delete(event.event_id);
      origins.set(event.event_id, {
        sender: event.sender,
        device: result.senderDevice?.toString(),
        // A session keeps the answer of the day it came, and outlives the identity that vouched for its device.
        state: found === "signed" ? device : found,
      });
      for (const oldest of origins.keys()) {
        if (origins.size <= REMEMBERED) break;
        origins.delete(oldest);
      }
    },
    of: (eventId) => origins.get(eventId),
  };
};
