// SPDX-License-Identifier: Apache-2.0
// Tests the outcome of a write with a module that caches: every return value, every result of a fresh load, first and repeated
// tries.
import t from "tap";
import { isNoRoom } from "../../../../server/agent/pkcs11/ckr.ts";
import {
  type FreshLook,
  mayHide,
  verdictOf,
  type WriteVerdict,
} from "../../../../server/agent/pkcs11/parent/write-confirmation.ts";

const NONE = undefined;
const GENERAL = 0x05;
const MEMORY = 0x31;
const REMOVED = 0x32;
const NOT_LOGGED_IN = 0x101;
const SESSION = 0xb3;

type Row = [
  what: string,
  failures: readonly (number | undefined)[],
  look: FreshLook,
  hides: boolean,
  first: WriteVerdict,
  second: WriteVerdict,
];

const ALL = [NONE, GENERAL, MEMORY, REMOVED, NOT_LOGGED_IN, SESSION];
const rows: Row[] = [
  ["it is there, whatever was returned", ALL, "shown", false, "in-force", "in-force"],
  ["it is there, beside objects that are hidden", ALL, "shown", true, "in-force", "in-force"],
  ["nobody could look: unplugged, killed, locked", ALL, "unseen", false, "uncertain", "uncertain"],
  ["what is not shown may be hidden", ALL, "not-shown", true, "uncertain", "uncertain"],
  ["it was taken and is gone", [NONE], "not-shown", false, "not-shown", "not-shown"],
  ["no room, or the card was away for a moment", [GENERAL, MEMORY], "not-shown", false, "again", "full"],
  ["the session ended in between", [REMOVED, NOT_LOGGED_IN, SESSION], "not-shown", false, "again", "failed"],
];

t.test("the table", async (t) => {
  for (const [what, failures, look, hides, first, second] of rows) {
    for (const failure of failures) {
      const name = `${what}: ${failure === undefined ? "CKR_OK" : `0x${failure.toString(16)}`}`;
      t.equal(verdictOf({ failure, look, hides, again: false }), first, name);
      t.equal(verdictOf({ failure, look, hides, again: true }), second, `${name}, twice`);
    }
  }
});

/** Every failure with every look at the token. */
const everyInput = () =>
  Array.from({ length: 0x200 }, (_, failure) => failure).flatMap((failure) =>
    (["shown", "not-shown", "unseen"] as const).flatMap((look) =>
      [true, false].flatMap((hides) => [true, false].map((again) => ({ failure, look, hides, again }))),
    ),
  );

t.test(
  "no verdict says that nothing was changed unless a fresh load that shows all has shown it",
  async (t) => {
    for (const { failure, look, hides, again } of everyInput()) {
      const verdict = verdictOf({ failure, look, hides, again });
      const saysOld = !["in-force", "uncertain"].includes(verdict);
      if (saysOld !== (look === "not-shown" && !hides)) t.fail(`${failure} ${look} ${hides} ${verdict}`);
      if (verdict === "full" && (!again || !isNoRoom(failure))) t.fail(`${failure} is no limit`);
    }
    t.equal(mayHide({ shown: { objects: 128, limit: 128 } }), true);
    t.equal(mayHide({ shown: { objects: 127, limit: 128 } }), false);
    t.equal(mayHide({ shown: null }), false);
  },
);
