// SPDX-License-Identifier: Apache-2.0
// .env and JSON text as keys and values: what is taken, and that nothing in it gets lost silently.
import t from "tap";
import {
  formatOfName,
  keysOfJson,
  type ParsedKeys,
  parseEnv,
} from "../../server/kubectl-hsm/input/file-formats.ts";

const told = (parsed: ParsedKeys): unknown =>
  parsed.ok
    ? Object.fromEntries([...parsed.keys].map(([key, value]) => [key, Buffer.from(value).toString("utf8")]))
    : parsed.message;

const lines: [text: string, expected: unknown][] = [
  ["A=b # c", { A: "b" }],
  ["export A=b", { A: "b" }],
  ["A: b", { A: "b" }],
  ["  A  =  b  ", { A: "b" }],
  ["A=", { A: "" }],
  ['A=""', { A: "" }],
  ["A=a=b==", { A: "a=b==" }],
  ['A="x\\ny"', { A: "x\ny" }],
  ["A='x\\ny'", { A: "x\\ny" }],
  ["A=\"'quoted'\"", { A: "'quoted'" }],
  ["A='\"quoted\"'", { A: '"quoted"' }],
  ["A=`a\"b'c`", { A: "a\"b'c" }],
  ["A=it's", { A: "it's" }],
  ["A='#b'", { A: "#b" }],
  ["A=p$ss$X", { A: "p$ss$X" }],
  ['A="1\n# not a comment\n\n3"\nB=2', { A: "1\n# not a comment\n\n3", B: "2" }],
  ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
  ["\uFEFFA=1", { A: "1" }],
  ["A.b-c=1", { "A.b-c": "1" }],
  ["", "sets no key"],
  ["# only\n", "sets no key"],
  ["A=1\nfoo\nB=2", "has no KEY=value in line 2"],
  ["=x", "has no KEY=value in line 1"],
  ["A=1\n__proto__=2", "has no KEY=value in line 2"],
  ['A=1\nB="2\nC=3', "has a quotation mark in line 2 that is not closed, or text behind it"],
  ['A="x" y', "has a quotation mark in line 1 that is not closed, or text behind it"],
  ["A=1\n\nA=2", "sets a key a second time in line 3"],
];
for (const [text, expected] of lines)
  t.test(JSON.stringify(text), async (t) => {
    t.same(told(parseEnv(Buffer.from(text))), expected);
  });

t.test("JSON", async (t) => {
  t.same(told(keysOfJson({ a: "ä", b: 1.5, c: true })), { a: "ä", b: "1.5", c: "true" });
  t.same(told(keysOfJson({})), "holds no key");
  for (const value of [null, [], "x", 1]) t.match(told(keysOfJson(value)), /must be a JSON object/);
  for (const value of [{ a: null }, { a: {} }, { a: ["x"] }])
    t.match(told(keysOfJson(value)), /something else than text as value 1; to store the file as it is/);
});

t.test("the format by the file's name", async (t) => {
  for (const name of [".env", "x/.env", ".env.production", "shop.env", "SHOP.ENV"])
    t.equal(formatOfName(name), "env");
  for (const name of ["a.json", "x/A.JSON"]) t.equal(formatOfName(name), "json");
  for (const name of ["env", "a.jsonl", "key.pem", "json"]) t.equal(formatOfName(name), "raw");
});
