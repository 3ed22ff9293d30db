// SPDX-License-Identifier: Apache-2.0
// Lists all cases in the order in which they are shown.
import type { Case } from "./case.ts";
import { cases as credentials } from "./engine/credentials.ts";
import { cases as restarts } from "./engine/restarts.ts";
import { cases as takenBack } from "./hsmsecret/adoption.ts";
import { cases as content } from "./hsmsecret/content.ts";
import { cases as deletion } from "./hsmsecret/deletion.ts";
import { cases as edits } from "./hsmsecret/edits.ts";
import { cases as events } from "./hsmsecret/events.ts";
import { cases as firstSync } from "./hsmsecret/first-sync.ts";
import { cases as quiet } from "./hsmsecret/idle.ts";
import { cases as limits } from "./hsmsecret/limits.ts";
import { cases as missing } from "./hsmsecret/missing.ts";
import { cases as outage } from "./hsmsecret/outage.ts";
import { cases as ownership } from "./hsmsecret/ownership.ts";
import { cases as strategies } from "./hsmsecret/strategies.ts";
import { cases as writeBack } from "./hsmsecret/write-back.ts";
import { cases as deleting } from "./toggle/deletion.ts";
import { cases as hotLoop } from "./toggle/hot-loop.ts";
import { cases as manifests } from "./toggle/manifests.ts";
import { cases as names } from "./toggle/names.ts";
import { cases as outages } from "./toggle/outages.ts";
import { cases as scaling } from "./toggle/scaling.ts";
import { cases as switching } from "./toggle/switching.ts";
import { cases as template } from "./toggle/template.ts";
import { cases as until } from "./toggle/until.ts";

export const CASES: readonly Case[] = [
  ...firstSync,
  ...edits,
  ...missing,
  ...events,
  ...ownership,
  ...takenBack,
  ...content,
  ...writeBack,
  ...deletion,
  ...limits,
  ...switching,
  ...names,
  ...scaling,
  ...until,
  ...manifests,
  ...deleting,
  ...template,
  ...outage,
  ...outages,
  ...strategies,
  ...restarts,
  ...quiet,
  ...hotLoop,
  ...credentials,
];

/** Those in which the apply strategy decides what becomes of what others wrote. */
export const APPLY_CASES: readonly Case[] = [...firstSync, ...edits, ...takenBack];
