// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of JSON into keys and values: what is accepted, byte for byte, and that nothing is lost silently.
import fc from "fast-check";
import t from "tap";
import { formatOfName, readJsonKeys } from "../../../server/kubectl-hsm/input/file-formats.ts";
import { plainJson, readJson } from "../../../server/kubectl-hsm/input/json.ts";
import { parseText } from "../../../server/kubectl-hsm/input/parse-text.ts";
import { bytesOf, shown, told } from "./parsed-keys.ts";

const RULE =
  'a key must be letters, digits, ".", "_" and "-", at most 253, not "." or "_metadata", and not begin with ".."';
const NOT_TEXT = "to store the file as it is, give it a key: KEY=FILE";

const rows: [text: string, expected: Record<string, string> | string][] = [
  ['{"a": "ä", "b": 1.5, "c": true}', { a: "ä", b: "1.5", c: "true" }],
  ['\uFEFF { "a" : "" }\r\n\t', { a: "" }],
  [
    '{"a":1234567890123456789,"b":1.10,"c":1e400,"d":-0,"e":0.1E+1,"f":100000000000000000000000}',
    { a: "1234567890123456789", b: "1.10", c: "1e400", d: "-0", e: "0.1E+1", f: "100000000000000000000000" },
  ],
  ['{"a": false}', { a: "false" }],
  ['{"a": "\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\udd11"}', { a: '"\\/\b\f\n\r\t\u00e4\u{1F511}' }],
  ['{"a": "\u2028\u007f\u{1F511}"}', { a: "\u2028\u007f\u{1F511}" }],
  ['{"a": "p@ss#word # x", "b": "$HOME"}', { a: "p@ss#word # x", b: "$HOME" }],
  [
    '{"__proto__": "1", "constructor": "2", "toString": "3"}',
    { ["__proto__"]: "1", constructor: "2", toString: "3" },
  ],
  ['{"\\u0061b": "1"}', { ab: "1" }],
  ["{}", "holds no key"],
  ["null", "must be a JSON object of keys and values, and is none in line 1, column 1"],
  ["[]", "must be a JSON object of keys and values, and is none in line 1, column 1"],
  ['"x"', "must be a JSON object of keys and values, and is none in line 1, column 1"],
  ["\n 1", "must be a JSON object of keys and values, and is none in line 2, column 2"],
  ['{"a": null}', `holds something else than text as value 1 in line 1, column 7: ${NOT_TEXT}`],
  ['{"a": {}}', `holds something else than text as value 1 in line 1, column 7: ${NOT_TEXT}`],
  ['{"a": "",\n"b": ["x"]}', `holds something else than text as value 2 in line 2, column 6: ${NOT_TEXT}`],
  ['{"password":"old",\n "password":"new"}', "sets a key a second time in line 2, column 2"],
  ['{"ab":"1","\\u0061b":"1"}', "sets a key a second time in line 1, column 11"],
  ['{"__proto__":"1","__proto__":"2"}', "sets a key a second time in line 1, column 18"],
  ['{"a":"1","b":{"c":1,"c":1}}', "sets a key a second time in line 1, column 21"],
  [
    '{"a":"\\ud800"}',
    "has a text with half of a surrogate pair in line 1, column 6: no bytes of UTF-8 stand for it",
  ],
  [
    '{"a":"x\\udc00\\ud800"}',
    "has a text with half of a surrogate pair in line 1, column 6: no bytes of UTF-8 stand for it",
  ],
  [
    '{"\\ud800":"x"}',
    "has a text with half of a surrogate pair in line 1, column 2: no bytes of UTF-8 stand for it",
  ],
  ['{"..data":"1"}', `has a key that can't be one in line 1, column 2: ${RULE}`],
  ['{"a":"1","_metadata":"1"}', `has a key that can't be one in line 1, column 10: ${RULE}`],
  ['{"a b":"1"}', `has a key that can't be one in line 1, column 2: ${RULE}`],
  ['{"":"1"}', `has a key that can't be one in line 1, column 2: ${RULE}`],
  ["", "is not JSON: it ends where a value should be in line 1, column 1"],
  ['{"a": 1', "is not JSON: it ends where a comma or } should be in line 1, column 8"],
  [
    '{"a": 1,}',
    "is not JSON: something else where a key in double quotation marks should be in line 1, column 9",
  ],
  [
    "{a: 1}",
    "is not JSON: something else where a key in double quotation marks should be in line 1, column 2",
  ],
  ['{"a" 1}', "is not JSON: something else where a colon should be in line 1, column 6"],
  ['{"a": 01}', "is not JSON: something else where a comma or } should be in line 1, column 8"],
  ['{"a": +1}', "is not JSON: something else where a value should be in line 1, column 7"],
  ['{"a": NaN}', "is not JSON: something else where a value should be in line 1, column 7"],
  ["{\"a\": 'x'}", "is not JSON: something else where a value should be in line 1, column 7"],
  ['{"a": "x}', "is not JSON: it has a quotation mark that is not closed in line 1, column 7"],
  ['{"a": "x\n"}', "is not JSON: it has a control character in a text in line 1, column 9"],
  ['{"a": "\\x41"}', "is not JSON: it has a backslash that escapes nothing in line 1, column 8"],
  ['{"a": "\\u00g1"}', "is not JSON: it has a backslash that escapes nothing in line 1, column 8"],
  ['{"a": "x"} 1', "is not JSON: it goes on behind its end in line 1, column 12"],
  ["[".repeat(100_000), "is nested deeper than 64 levels in line 1, column 66"],
];
for (const [text, expected] of rows) {
  t.test(shown(text.slice(0, 200)), async (t) => {
    const wanted = typeof expected === "string" ? expected : bytesOf(Object.entries(expected));
    t.same(told(readJsonKeys(Buffer.from(text))), wanted);
  });
}

/** As JSON.parse has it, where JSON.parse has all of it. */
t.test("it is the language of JSON.parse, less what JSON.parse loses", async (t) => {
  const piece = fc.constantFrom(
    ...[
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      "\\u00e4",
      "\\n",
      '"a"',
      '"b"',
      "1",
      "-",
      "0",
      ".5",
      "e3",
      "true",
    ],
    ...["null", " ", "\n", "ä", "\u{1F511}", "\u0001", "x"],
  );
  const text = fc.oneof(
    fc.json({ maxDepth: 4 }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    fc.tuple(fc.json({ maxDepth: 2 }), piece, fc.nat()).map(([json, one, at]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + one + json.slice(place);
    }),
  );
  const reference = (json: string): { value: unknown } | undefined => {
    try {
      return { value: JSON.parse(json) };
    } catch {
      return undefined;
    }
  };
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(text, (json) => {
      fc.pre(json.isWellFormed());
      const read = parseText(Buffer.from(json), (decoded) => plainJson(readJson(decoded)));
      const parsed = json.startsWith("\uFEFF") ? reference(json.slice(1)) : reference(json);
      if (read.ok) {
        taken += 1;
        return JSON.stringify(read.value) === JSON.stringify(parsed?.value) && parsed !== undefined;
      }
      refused += 1;
      return parsed === undefined || /second time|surrogate/.test(read.message);
    }),
    { numRuns: 3000, seed: 20_261_129 },
  );
  t.ok(taken > 500 && refused > 500, `${taken} taken, ${refused} refused`);
});

t.test("the format by the file's name", async (t) => {
  for (const name of [".env", "x/.env", ".env.production", "shop.env", "SHOP.ENV"]) {
    t.equal(formatOfName(name), "env");
  }
  for (const name of ["a.json", "x/A.JSON"]) t.equal(formatOfName(name), "json");
  for (const name of ["env", "a.jsonl", "key.pem", "json", "a.yaml", "kubeconfig.yml"]) {
    t.equal(formatOfName(name), "raw");
  }
});
