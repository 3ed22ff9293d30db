// SPDX-License-Identifier: Apache-2.0
// Text of others on one line, without what is not to be seen, and no longer than is shown.
import t from "tap";
import { oneLine, shorten } from "../server/display-text.ts";

t.equal(oneLine("a\u0000b\u202ec\ud800"), "a b c\ufffd");
t.equal(shorten("🦞🦞🦞🦞", 3), "🦞🦞…");
