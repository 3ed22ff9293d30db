// SPDX-License-Identifier: Apache-2.0
// Defines discovery's HTTP API (JSON) as schemas, shared by the process that serves it and its callers; docs/discovery.md.
import { type Static, Type } from "@sinclair/typebox";

const UsbId = Type.String({ pattern: "^[0-9a-f]{4}$" });

/** One USB device that is no hub. */
export const DiscoveredDevice = Type.Object({
  /** The serial number, or `<node>.<port>` where the device tells none. */
  id: Type.String(),
  node: Type.String(),
  /** Bus and port chain, such as `1-2.3`. */
  port: Type.String(),
  /** Another one after every plug. */
  deviceNumber: Type.Integer(),
  /** Below the node's /dev. */
  devicePath: Type.String(),
  vendorId: UsbId,
  productId: UsbId,
  serialNumber: Type.Union([Type.String(), Type.Null()]),
  /** `Generic`: libccid lists it; null: no token that is known. */
  type: Type.Union([
    Type.Literal("PicoHSM"),
    Type.Literal("SmartCard-HSM"),
    Type.Literal("Generic"),
    Type.Null(),
  ]),
  /** What libccid calls it. */
  name: Type.Union([Type.String(), Type.Null()]),
  /** Another device of the node has the same id: none of them may be used. */
  fault: Type.Union([Type.Literal("duplicate serial"), Type.Null()]),
  /** The extended resource by which a container gets the device; null where discovery offers none for it. */
  resource: Type.Union([Type.String(), Type.Null()]),
});
export type DiscoveredDevice = Static<typeof DiscoveredDevice>;

/** A file that one of DEVICE_PATHS matches. */
export const DevicePath = Type.Object({
  /** Below the node's /dev. */
  path: Type.String(),
  /** Its mode in octal digits; of a symbolic link, that of what it leads to. */
  permissions: Type.String({ pattern: "^[0-7]{4}$" }),
});
export type DevicePath = Static<typeof DevicePath>;

/** `GET /v1/devices`: the same bytes as long as nothing is plugged or unplugged. */
export const DiscoveryBody = Type.Object({
  node: Type.String(),
  /** Whether discovery is the device plugin of its node: then containers get devices by their resources. */
  plugin: Type.Boolean(),
  devices: Type.Array(DiscoveredDevice),
  paths: Type.Array(DevicePath),
});
export type DiscoveryBody = Static<typeof DiscoveryBody>;
