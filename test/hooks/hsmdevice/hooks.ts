// SPDX-License-Identifier: Apache-2.0
// Runs the HSMDevice hooks on a request, reports and a time, with their steps in the order of the webhook.
import type { HSMDeviceSyncRequest, NodeReport } from "../../../hooks/hsmdevice/index.ts";
import * as hooks from "../../../hooks/hsmdevice/index.ts";

export const sync = (request: HSMDeviceSyncRequest, reports: readonly NodeReport[], now: string) =>
  hooks.sync(
    hooks.judge(hooks.assess(request, { now }), new Map(reports.map((report) => [report.node, report]))),
  );

export const finalize = (request: HSMDeviceSyncRequest, now: string) =>
  hooks.finalize(hooks.assess(request, { now }));
