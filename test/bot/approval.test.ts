// SPDX-License-Identifier: Apache-2.0
// Tests the rules of approvals: what an annotation needs, what a line says, and what becomes of a reason.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import t from "tap";
import { APPROVALS_ANNOTATION, approvalsNeeded, approvedReason } from "../../server/bot/approval.ts";
import { approvingLine, CODE_LETTERS, questionText } from "../../server/bot/approval-text.ts";
import { commandOf } from "../../server/bot/command.ts";
import { durationOf, durationText } from "../../server/bot/duration.ts";
import { toggleNamed } from "./toggle-named.ts";

const needOf = (text: string) => approvalsNeeded(toggleNamed("web", {}, { [APPROVALS_ANNOTATION]: text }));

t.test("an annotation is a whole number from 1 to 10", async (t) => {
  t.equal(approvalsNeeded(toggleNamed("web")), 0);
  t.same(["1", "2", "10", " 3 "].map(needOf), [1, 2, 10, 3]);
  for (const text of ["two", "0", "-1", "1.5", "100", "11", "1e1", "", "2 3", "٢", "02", "0x2"]) {
    t.equal(needOf(text), undefined, text);
  }
});

t.test("which lines approve", async (t) => {
  const rows: [text: string, line: ReturnType<typeof approvingLine>][] = [
    ["approve 7kq3f", { isExplicit: true, code: "7kq3f" }],
    ["Approved: 7KQ3F!", { isExplicit: true, code: "7kq3f" }],
    ["👍🏽 7kq3f", { isExplicit: true, code: "7kq3f" }],
    ["yes 7kq3f", { isExplicit: true, code: "7kq3f" }],
    ["approve", { isExplicit: true }],
    ["ok.", { isExplicit: false }],
    ["👍", { isExplicit: false }],
    ["7kq3f", undefined],
    ["approve web", undefined],
    ["approve 7kq3f 2b3c4", undefined],
    ["approve 7kq3f\nstop", undefined],
    ["don't approve 7kq3f", undefined],
  ];
  for (const [text, line] of rows) t.same(approvingLine(text), line, text);
});

t.test("no approving line is a command, and no code a word", async (t) => {
  for (const line of ["approve", "approve 7kq3f", "yes", "ok", "👍"]) {
    t.equal(commandOf(line).verb, "unknown", line);
  }
  t.notMatch(CODE_LETTERS, /[aeiou01l]/);
});

t.test("a reason keeps who approved within its length, whatever the names", async (t) => {
  t.equal(approvedReason("a sale", []), "a sale");
  t.equal(approvedReason("a sale", ["@b:x", "@c:x"]), "a sale; approved by @b:x, @c:x");
  const long = Array.from({ length: 10 }, (_, at) => `@${at}${"u".repeat(250)}:x`);
  const reason = approvedReason("r".repeat(1024), long);
  t.equal([...reason].length, 1024);
  t.match(reason, /^r+…; approved by @0u+:x, @1u+:x and 8 more$/);
  fc.assert(
    fc.property(
      fc.string({ maxLength: 1024, unit: "grapheme" }),
      fc.array(fc.string({ maxLength: 255 }), { maxLength: 10 }),
      (said, users) => {
        return [...approvedReason(said, users)].length <= 1024;
      },
    ),
  );
});

t.test("a duration is written as it is read", async (t) => {
  t.same([60, 5400, 7200, 93_600, 86_400].map(durationText), ["1m", "1h30m", "2h", "1d2h", "1d"]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 365 * 24 * 60 }), (minutes) => {
      const read = durationOf(durationText(minutes * 60));
      return read.state === "seconds" && read.seconds === minutes * 60;
    }),
  );
});

t.test("the question is the one in docs/chat.md", async (t) => {
  const view = { sender: "@alice:example.org", encrypted: true, code: "7kq3f", need: 2, has: 1 };
  const command = { verb: "stop", toggle: "web", reason: "of the sale" } as const;
  const text = questionText({ ...view, command, users: ["@bob:example.org"], leftMs: 600_000 });
  const document = readFileSync(new URL("../../docs/chat.md", import.meta.url), "utf8");
  t.match(document, text.replace(/^/gm, "    "));
});
