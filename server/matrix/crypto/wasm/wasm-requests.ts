// SPDX-License-Identifier: Apache-2.0
// Converts the WASM package's requests to the homeserver into the native package's shape.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import type { CryptoRequest, ToDeviceRequest } from "../olm-machine.ts";
import type { VerificationMessage } from "../verification-access.ts";

type OutgoingRequest = Awaited<ReturnType<wasm.OlmMachine["outgoingRequests"]>>[number];

/** A request without an id needs not be marked as sent. */
export const asCryptoRequest = ({ id, type, body }: OutgoingRequest): CryptoRequest => ({
  id: id ?? "",
  type,
  body,
});

export const asToDeviceRequest = (request: wasm.ToDeviceRequest): ToDeviceRequest => ({
  ...asCryptoRequest(request),
  txnId: request.txn_id,
  eventType: request.event_type,
});

export const asOutgoingRequest = (request: OutgoingRequest): CryptoRequest => {
  if (request instanceof wasm.ToDeviceRequest) return asToDeviceRequest(request);
  return request instanceof wasm.RoomMessageRequest ? asRoomRequest(request) : asCryptoRequest(request);
};

/** An event that the machine wants sent to a room: of a verification. */
const asRoomRequest = (request: wasm.RoomMessageRequest): VerificationMessage => ({
  ...asCryptoRequest(request),
  room: request.room_id,
  txnId: request.txn_id,
  eventType: request.event_type,
});
