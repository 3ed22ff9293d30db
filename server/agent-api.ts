// SPDX-License-Identifier: Apache-2.0
// The agent's HTTP API (JSON) as schemas, shared by the agent that serves it and the webhook that calls it.
import { type Static, Type } from "@sinclair/typebox";

/** `sha256:` and 64 hex digits; see hooks/checksum.ts. */
export const Checksum = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

/** `GET /v1/secrets/{path}`: base64 values by key. Served with `ETag: "<checksum>"`. */
export const SecretBody = Type.Object({
  path: Type.String(),
  data: Type.Record(Type.String(), Type.String()),
  checksum: Checksum,
  version: Type.Integer({ minimum: 0 }),
  device: Type.String(),
});
export type SecretBody = Static<typeof SecretBody>;

/** One row of `GET /v1/secrets?prefix=`: never a value. `bytes` is the sum of the values' lengths. */
export const SecretSummary = Type.Object({
  path: Type.String(),
  checksum: Checksum,
  keys: Type.Array(Type.String()),
  bytes: Type.Integer({ minimum: 0 }),
  version: Type.Integer({ minimum: 0 }),
});
export type SecretSummary = Static<typeof SecretSummary>;

export const SecretListBody = Type.Object({ secrets: Type.Array(SecretSummary) });
export type SecretListBody = Static<typeof SecretListBody>;

/** `GET /v1/info`. Sizes are bytes; null where the token does not say. `viewAgeMs`: how old the agent's view of the token is. */
export const DeviceInfo = Type.Object({
  device: Type.String(),
  node: Type.String(),
  module: Type.String(),
  cache: Type.Union([Type.Literal("live"), Type.Literal("cached")]),
  token: Type.Object({
    label: Type.String(),
    manufacturer: Type.String(),
    model: Type.String(),
    serial: Type.String(),
    firmware: Type.String(),
  }),
  freeBytes: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  totalBytes: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  objects: Type.Integer({ minimum: 0 }),
  viewAgeMs: Type.Integer({ minimum: 0 }),
});
export type DeviceInfo = Static<typeof DeviceInfo>;

/** One USB device of the node. `type` is set for the kinds of token that are known by their ids. */
export const UsbDevice = Type.Object({
  bus: Type.String(),
  vendorId: Type.String({ pattern: "^[0-9a-f]{4}$" }),
  productId: Type.String({ pattern: "^[0-9a-f]{4}$" }),
  serial: Type.Union([Type.String(), Type.Null()]),
  type: Type.Union([Type.Literal("PicoHSM"), Type.Literal("SmartCard-HSM"), Type.Null()]),
});
export type UsbDevice = Static<typeof UsbDevice>;

/** `GET /v1/devices`: what the node of the agent sees on USB. */
export const DeviceListBody = Type.Object({ node: Type.String(), devices: Type.Array(UsbDevice) });
export type DeviceListBody = Static<typeof DeviceListBody>;

/** Every error body of every listener. `code` is one of server/http/errors.ts. */
export const ErrorBody = Type.Object({
  code: Type.String(),
  message: Type.String(),
  details: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
});
export type ErrorBody = Static<typeof ErrorBody>;
