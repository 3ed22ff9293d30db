// SPDX-License-Identifier: Apache-2.0
// Defines what discovery reported of each node, as the shell hands it to the HSMDevice hooks.

/** A USB device, as far as the hooks read it (server/discovery-api/schema.ts). */
export interface ReportedDevice {
  readonly id: string;
  readonly devicePath: string;
  readonly vendorId: string;
  readonly productId: string;
  readonly serialNumber: string | null;
  readonly type: string | null;
  readonly fault: string | null;
}

/** What the discovery of one node answered. */
export interface NodeReport {
  readonly node: string;
  readonly devices: readonly ReportedDevice[];
  readonly paths: readonly { readonly path: string; readonly permissions: string }[];
}

/** The reports by the name of the node. A node without one is no news: it may have any device. */
export type Reading = ReadonlyMap<string, NodeReport>;
