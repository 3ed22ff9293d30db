// SPDX-License-Identifier: Apache-2.0
// Measures sets of HSMs on SoftHSM2 tokens: mirroring, roles, and what reads and writes do when the primary goes.
import { type MirroringFigures, measureMirroring } from "./mirroring.ts";
import { measureReadFailover, type ReadFailover } from "./read-failover.ts";
import { measureRoleCost, type RoleCost } from "./role-cost.ts";
import { measureWriteFailover, type WriteFailover } from "./write-failover.ts";

export interface SetFigures {
  readonly mirroring: MirroringFigures;
  readonly roles: readonly RoleCost[];
  readonly reads: ReadFailover;
  readonly writes: WriteFailover;
}

/** Takes some minutes, most of them for leases to end. */
export const measureSets = async (folder: string): Promise<SetFigures> => ({
  mirroring: await measureMirroring(folder),
  roles: await measureRoleCost(folder),
  reads: await measureReadFailover(folder),
  writes: await measureWriteFailover(folder),
});
