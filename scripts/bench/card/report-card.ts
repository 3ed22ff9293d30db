// SPDX-License-Identifier: Apache-2.0
// Prints the card's figures beside pkcs11-tool's.
import { say, sayTable } from "../print-table.ts";
import { rounded } from "../quantile.ts";
import type { CardResult } from "./card-figures.ts";

export const reportCard = (result: Extract<CardResult, { ok: true }>): void => {
  sayTable([
    ["a card behind OpenSC, ms", ...result.figures.map(({ delayMs }) => `${delayMs} ms an APDU`)],
    ...(
      [
        ["start to ready, 37 secrets", "startMs"],
        ["start to ready, 100 secrets", "startOf100Ms"],
        ["  pkcs11-tool --list-objects (no values)", "listTool"],
        ["create a secret", "create"],
        ["  pkcs11-tool --write-object", "createTool"],
        ["delete a secret", "remove"],
        ["  pkcs11-tool --delete-object", "removeTool"],
        ["refresh", "refresh"],
        ["  pkcs11-tool --read-object", "readTool"],
      ] as const
    ).map(([name, field]) => [name, ...result.figures.map((one) => rounded(one[field]))]),
    ["read p50", ...result.figures.map(({ read }) => read.p50)],
    ["read p95", ...result.figures.map(({ read }) => read.p95)],
  ]);
  const { reads, failed, refreshes, writes, timing } = result.busy;
  say(
    `${reads} reads during ${refreshes} refreshes and ${writes} writes at 8 ms an APDU: ${failed} failed, p50 ${timing.p50} ms, p95 ${timing.p95} ms\n`,
  );
};
