// SPDX-License-Identifier: Apache-2.0
// Defines what discovery reported of each node, and each agent of its role, as the shell hands it to the HSMDevice hooks.
import type { RoleReport } from "./role-view.ts";

/** A USB device, as far as the hooks read it (server/discovery-api/schema.ts). */
export interface ReportedDevice {
  readonly id: string;
  readonly devicePath: string;
  readonly vendorId: string;
  readonly productId: string;
  readonly serialNumber: string | null;
  readonly type: string | null;
  readonly fault: string | null;
  /** The extended resource by which a container gets it. */
  readonly resource: string | null;
}

/** What the discovery of one node answered. */
export interface NodeReport {
  readonly node: string;
  /** Whether the node has a device plugin. */
  readonly plugin: boolean;
  readonly devices: readonly ReportedDevice[];
  readonly paths: readonly { readonly path: string; readonly permissions: string }[];
}

/** The reports by the name of the node. A node without one is no news: it may have any device. */
export type Reading = ReadonlyMap<string, NodeReport>;

/** What an agent answered of its role, and as whom. */
export type AgentReport = RoleReport & { readonly device: string; readonly node: string };

/** The answers by the id of the device. An agent without one is no news: it may be primary or not be there. */
export type RoleReading = ReadonlyMap<string, AgentReport>;
