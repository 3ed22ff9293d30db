// SPDX-License-Identifier: Apache-2.0
// Tests what a mistyped command is taken to mean.
import t from "tap";
import { meantBy } from "../../server/bot/nearest.ts";

const words = { verbs: ["start", "stop", "on", "off", "status"], names: ["web", "api", "web-admin"] };

const rows: [said: string, meant: string | undefined][] = [
  ["wbe", "web"],
  ["stpo", "stop"],
  ["stpo wbe", "stop web"],
  ["Stat web", "start web"],
  ["stop web-amdin", "stop web-admin"],
  ["sotp the music", "stop"],
  ["frobnicate api", "api"],
  ["hello", undefined],
  ["of", undefined],
  ["", undefined],
  ["what was it that you said to wbe", undefined],
  ["x".repeat(2000), undefined],
];
for (const [said, meant] of rows) t.equal(meantBy(said, words), meant, said.slice(0, 40));
