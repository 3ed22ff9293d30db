// SPDX-License-Identifier: Apache-2.0
// Converts the WASM package's requests to the homeserver into the native package's shape.
import * as wasm from "@matrix-org/matrix-sdk-crypto-wasm";
import type { CryptoRequest, ToDeviceRequest } from "../olm-machine.ts";

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

export const asOutgoingRequest = (request: OutgoingRequest): CryptoRequest =>
  request instanceof wasm.ToDeviceRequest ? asToDeviceRequest(request) : asCryptoRequest(request);
