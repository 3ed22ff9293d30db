// SPDX-License-Identifier: Apache-2.0
// Tests the checksum against its definition, written out by hand.
import { createHash } from "node:crypto";
import t from "tap";
import { checksum, checksumOfBase64 } from "../../hooks/checksum.ts";

const bytes = (text: string) => Buffer.from(text);

t.test(
  "it is SHA-256 over keys in byte order, each key and value behind its 64-bit big-endian length",
  async (t) => {
    const length = (n: number) => Buffer.from([0, 0, 0, 0, 0, 0, 0, n]);
    const framed = Buffer.concat([
      length(1),
      bytes("a"),
      length(2),
      bytes("bc"),
      length(1),
      bytes("b"),
      length(0),
    ]);
    const expected = `sha256:${createHash("sha256").update(framed).digest("hex")}`;
    const keys = [["b", bytes("")] as const, ["a", bytes("bc")] as const];
    t.equal(checksum(keys), expected);
    t.equal(checksum(keys.toReversed()), expected, "in whatever order the keys come");
    t.equal(checksumOfBase64({ a: bytes("bc").toString("base64"), b: "" }), expected);
  },
);

t.test("moving a byte between key and value, or between keys, changes it", async (t) => {
  const sums = [
    checksum([["a", bytes("bc")]]),
    checksum([["ab", bytes("c")]]),
    checksum([
      ["a", bytes("b")],
      ["c", bytes("")],
    ]),
    checksum([]),
  ];
  t.equal(new Set(sums).size, sums.length);
});

t.test("keys sort by their UTF-8 bytes, not by UTF-16 units", async (t) => {
  // U+FFFD sorts after U+10000 in UTF-16 and before it in UTF-8.
  const length = (n: number) => Buffer.from([0, 0, 0, 0, 0, 0, 0, n]);
  const [first, second] = ["\u{fffd}", "\u{10000}"];
  const framed = Buffer.concat([length(3), bytes(first), length(0), length(4), bytes(second), length(0)]);
  t.equal(
    checksum([
      [second, bytes("")],
      [first, bytes("")],
    ]),
    `sha256:${createHash("sha256").update(framed).digest("hex")}`,
  );
});

t.test("base64 counts as the bytes that Node decodes it to, canonical or not", async (t) => {
  const texts = [
    "",
    "YQ==",
    "YWI=",
    "YWJj",
    "YQ",
    "YQ=",
    "YR==",
    "YW Jj",
    "YWJj\nYWJj",
    "YWI-_w==",
    "A",
    "AA=A",
    "Y===",
  ];
  for (const text of [...texts, "é", "YWJj====", "_-_-", "x".repeat(10_000)]) {
    t.equal(
      checksumOfBase64({ key: text, b: "YQ==" }),
      checksum([
        ["b", bytes("a")],
        ["key", Buffer.from(text, "base64")],
      ]),
      JSON.stringify(text.slice(0, 20)),
    );
  }
});
