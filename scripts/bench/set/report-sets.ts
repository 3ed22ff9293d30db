// SPDX-License-Identifier: Apache-2.0
// Prints the figures of sets of HSMs.
import { say, sayTable } from "../print-table.ts";
import { median, rounded } from "../quantile.ts";
import type { SetFigures } from "./set-figures.ts";

const worst = (samples: readonly number[]): number => Math.max(...samples);

export const reportSets = ({ mirroring, roles, reads, writes }: SetFigures): void => {
  const { secrets, copySeconds, bareSeconds, copyBytes, change, quietBytes, acknowledge } = mirroring;
  const { least, most } = change.sent;
  sayTable([
    ["a mirror of SoftHSM2", "secrets sent", "bytes sent", "s"],
    [`${secrets} secrets from nothing`, secrets, copyBytes, copySeconds],
    ["  as many new objects by bare calls", "", "", bareSeconds],
    ["one secret changed", least === most ? most : `${least}-${most}`, change.bytes, change.held.p50 / 1000],
    ["nothing changed", 0, quietBytes, ""],
  ]);
  sayTable([
    [`writes at ${secrets} secrets and one mirror, ms`, "p50", "p95"],
    ["acknowledge: Primary", acknowledge.primary.p50, acknowledge.primary.p95],
    ["acknowledge: Mirror", acknowledge.mirror.p50, acknowledge.mirror.p95],
  ]);
  sayTable([
    ["an agent's role, ms", "told p50", "told p95", "ordered p50", "ordered p95", "told after a write p50"],
    ...roles.map(({ secrets: count, told, ordered, afterWrite }) => [
      `${count} secrets of 2 keys`,
      ...[told.p50, told.p95, ordered.p50, ordered.p95, afterWrite.p50],
    ]),
  ]);
  sayTable([
    ["the primary goes", "median", "worst"],
    ["next sync from the mirror, killed, ms", median(reads.killed), worst(reads.killed)],
    ["next sync from the mirror, silent, ms", median(reads.silent), worst(reads.silent)],
    ["next write taken, killed, s", writes.killedSeconds, ""],
    ["next write taken, silent, s", writes.silentSeconds, ""],
  ]);
  say(
    `A sync of the HSMDevice with ${writes.secrets} secrets takes p50 ${rounded(writes.sync.p50)} ms, p95 ${rounded(writes.sync.p95)} ms, the engine's part among them.\n`,
  );
};
