// SPDX-License-Identifier: Apache-2.0
// Offers the emoji verification of the WASM package's machine.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import type { CryptoRequest } from "../olm-machine.ts";
import {
  isVerificationType,
  type VerificationAccess,
  type VerificationFlow,
  type VerificationMessage,
} from "../verification-access.ts";
import { asOutgoingRequest } from "./wasm-requests.ts";

export const wasmVerification = (machine: wasm.OlmMachine): VerificationAccess => ({
  receiveVerificationEvent: (event, room) =>
    machine.receiveVerificationEvent(event, new wasm.RoomId(room.toString())),
  verificationFlow(user, flow) {
    const request = machine.getVerificationRequest(new wasm.UserId(user), flow);
    // One of the bot's own devices would be signed by its identity, and given the private keys of it.
    if (request === undefined || request.isSelfVerification() || request.weStarted()) return undefined;
    const phase = PHASES.get(request.phase());
    return phase && flowOf(request, phase);
  },
  isVerificationRequest,
  outgoing: async () => messages(await machine.outgoingRequests()),
});

const PHASES: ReadonlyMap<wasm.VerificationRequestPhase, VerificationFlow["phase"]> = new Map([
  [wasm.VerificationRequestPhase.Requested, "requested"],
  [wasm.VerificationRequestPhase.Ready, "ready"],
  [wasm.VerificationRequestPhase.Transitioned, "started"],
  [wasm.VerificationRequestPhase.Done, "done"],
  [wasm.VerificationRequestPhase.Cancelled, "cancelled"],
]);

const isVerificationRequest = (request: CryptoRequest): request is VerificationMessage =>
  "eventType" in request && typeof request.eventType === "string"
    ? "room" in request || isVerificationType(request.eventType)
    : false;

type Outgoing = Parameters<typeof asOutgoingRequest>[0];

/** A signature on the other's identity, which the package makes too, is left out: nobody has compared anything for the bot. */
const messages = (requests: readonly (Outgoing | undefined)[]): VerificationMessage[] =>
  requests
    .flatMap((request) => (request === undefined ? [] : [asOutgoingRequest(request)]))
    .filter(isVerificationRequest);

const flowOf = (request: wasm.VerificationRequest, phase: VerificationFlow["phase"]): VerificationFlow => {
  const verification = request.getVerification();
  const sas = verification instanceof wasm.Sas ? verification : undefined;
  return {
    phase,
    room: request.roomId?.toString(),
    device: request.otherDeviceId?.toString(),
    cancelCode: request.cancelInfo?.cancelCode(),
    accept: () => messages([request.acceptWithMethods([wasm.VerificationMethod.SasV1])]),
    acceptEmoji: () => messages([sas?.accept()]),
    shown: () => (sas?.canBePresented() === true ? shownBy(sas) : undefined),
    get isConfirmed() {
      return sas?.haveWeConfirmed() ?? false;
    },
    confirm: async () => messages((await sas?.confirm()) ?? []),
    cancel: () => messages([request.cancel()]),
  };
};

const shownBy = (sas: wasm.Sas): string | undefined => {
  const emoji = sas.supportsEmoji() ? sas.emoji() : undefined;
  if (emoji !== undefined) {
    return emoji.map(({ symbol, description }) => `${symbol} ${description}`).join(", ");
  }
  const decimals = sas.decimals();
  return decimals && [...decimals].join(" ");
};
