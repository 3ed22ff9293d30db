// SPDX-License-Identifier: Apache-2.0
// Tests which Toggle a command resolves to.
import t from "tap";
import { chooseToggle } from "../../server/bot/toggle-choice.ts";
import { toggleNamed } from "./toggle-named.ts";

const [web, api] = [toggleNamed("web"), toggleNamed("api")];

for (const [title, name, visible, expected] of [
  ["named", "api", [api, web], { kind: "one", toggle: api }],
  ["named, and not there", "db", [api, web], { kind: "none", name: "db", names: ["api", "web"] }],
  ["not named: the default one", undefined, [api, web], { kind: "one", toggle: web }],
  ["not named, no default: the only one", undefined, [api], { kind: "one", toggle: api }],
  ["not named, several", undefined, [api, toggleNamed("db")], { kind: "which", names: ["api", "db"] }],
  ["not named, none", undefined, [], { kind: "none", names: [] }],
] as const) {
  t.same(chooseToggle(name, visible, "web"), expected, title);
}
