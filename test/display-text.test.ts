// SPDX-License-Identifier: Apache-2.0
// Tests the sanitizing of text from outside: one line, no invisible characters, bounded length.
import t from "tap";
import { oneLine, shorten } from "../server/display-text.ts";

t.equal(oneLine("a\u0000b\u202ec\ud800"), "a b c\ufffd");
t.equal(shorten("🦞🦞🦞🦞", 3), "🦞🦞…");
