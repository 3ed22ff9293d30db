// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of .env text: what is accepted, byte for byte, and that what programs parse differently is rejected by its
// place.
import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import { readDotenv } from "../../../server/kubectl-hsm/input/dotenv.ts";
import { bytesOf, shown, told } from "./parsed-keys.ts";

/** A text, and its keys and values or the whole message. */
type Row = [text: string, expected: Record<string, string> | string];

const plain: Row[] = [
  ["A=b", { A: "b" }],
  ["A=b # c", { A: "b" }],
  ["A=b   # c", { A: "b" }],
  ["A=b\t # c", { A: "b" }],
  ["A=b #c", { A: "b" }],
  ["A=x #", { A: "x" }],
  ["export A=b", { A: "b" }],
  ["export  A=b", { A: "b" }],
  ["export=x", { export: "x" }],
  ["export export=x", { export: "x" }],
  ["A: b", { A: "b" }],
  ['A: "b" # c', { A: "b" }],
  ["  A  =  b  ", { A: "b" }],
  ["\tA=b\t", { A: "b" }],
  ["A=", { A: "" }],
  ["A= ", { A: "" }],
  ["A=\nB=1", { A: "", B: "1" }],
  ["A=a=b==", { A: "a=b==" }],
  ["A==b", { A: "=b" }],
  ["A=it's", { A: "it's" }],
  ["A=it's # c", { A: "it's" }],
  ['A=x"', { A: 'x"' }],
  ['A=x "y"', { A: 'x "y"' }],
  ["A=x'y'z", { A: "x'y'z" }],
  ["A=x y  z", { A: "x y  z" }],
  ["A=x`y`", { A: "x`y`" }],
  ["A=a\\nb", { A: "a\\nb" }],
  ["A=C:\\dir\\", { A: "C:\\dir\\" }],
  ["A=b\\\nB=1", { A: "b\\", B: "1" }],
  ["A=p$ss$X", { A: "p$ss$X" }],
  ["A=$$x$" + "{B}", { A: "$$x$" + "{B}" }],
  ["A=x;y&z|(w)*~!", { A: "x;y&z|(w)*~!" }],
  ["A=\u00e4\u{1F511}\u2028b", { A: "\u00e4\u{1F511}\u2028b" }],
  ["A=a\u0000b", { A: "a\u0000b" }],
  ["A=-----BEGIN-----", { A: "-----BEGIN-----" }],
];

const hashes: Row[] = [
  ["PASSWORD=p@ss#word", { PASSWORD: "p@ss#word" }],
  ["COLOR=#FF0000", { COLOR: "#FF0000" }],
  ["A=#", { A: "#" }],
  ["A=x#", { A: "x#" }],
  ["A=#x # y", { A: "#x" }],
  ["A=\\#x", { A: "\\#x" }],
  ["A=https://h/p#f?a=b # why", { A: "https://h/p#f?a=b" }],
  ["A='#b'", { A: "#b" }],
  ["A='x # y' # it's", { A: "x # y" }],
  ['A="x # y"\t# c', { A: "x # y" }],
  ["# only\nA=1\n  # B=2\n#C=3", { A: "1" }],
  [
    "A= #x",
    'has a # between the = and any value in line 1, column 4: to some programs it is the value: write "" or quote it',
  ],
  [
    "A=b\t# c",
    "has a # behind white space that is not a space in line 1, column 5: quote the value, or put a space there",
  ],
  [
    "A=b\u00a0# c",
    "has a # behind white space that is not a space in line 1, column 5: quote the value, or put a space there",
  ],
  [
    'A=x"y # z"',
    "has a # between two quotation marks in line 1, column 7: quote the whole value, or take the comment off",
  ],
  [
    "A='x'#c",
    "has text behind a closing quotation mark in line 1, column 6: before a comment there must be a space",
  ],
];

const quoted: Row[] = [
  ['A=""', { A: "" }],
  ["A=''", { A: "" }],
  ['A= "x" ', { A: "x" }],
  ['A="x\\ny"', { A: "x\ny" }],
  ["A='x\\ny'", { A: "x\\ny" }],
  ["A=\"'quoted'\"", { A: "'quoted'" }],
  ["A='\"quoted\"'", { A: '"quoted"' }],
  ['A="`x`"', { A: "`x`" }],
  ["A='$x'", { A: "$x" }],
  ['A="$x"', { A: "$x" }],
  ['A="{\\"a\\":1}"', { A: '{"a":1}' }],
  ['A="a\\\\b"', { A: "a\\b" }],
  ['A="a\\\\nb"', { A: "a\\nb" }],
  ['A="a\\$b"', { A: "a$b" }],
  ['A="C:\\Users"', { A: "C:\\Users" }],
  ['A="\\u0041"', { A: "\\u0041" }],
  ['A="it\\\'s"', { A: "it\\'s" }],
  ["A='a\\\\b'", { A: "a\\\\b" }],
  ["A=' x\t\u00a0'", { A: " x\t\u00a0" }],
  ["A='it'\"'\"'s'", { A: "it's" }],
  ["A='it'\\''s'", { A: "it's" }],
  ['A="x"\'y\'"\\"z" # c', { A: 'xy"z' }],
  ["A='x''y'", { A: "xy" }],
  ['A="x" "y"', "has text behind a closing quotation mark in line 1, column 7: quote all of the value"],
  ['A=1\nB="x" y', "has text behind a closing quotation mark in line 2, column 7: quote all of the value"],
  ['A="x"y', "has text behind a closing quotation mark in line 1, column 6: quote all of the value"],
  ["A=''x", "has text behind a closing quotation mark in line 1, column 5: quote all of the value"],
  [
    'A="""x"""',
    "has three quotation marks in a row in line 1, column 3: one before and one behind a value of several lines",
  ],
  [
    "A=\u00e4\nB='''\nx'''",
    "has three quotation marks in a row in line 2, column 3: one before and one behind a value of several lines",
  ],
  [
    "A='Let\\'s go!'",
    'has a backslash before a single quotation mark in line 1, column 7: only some programs end the text there; use "…"',
  ],
  ...["t", "r", "a", "b", "f", "v", "0", "`", "\n", "\r\n"].map(
    (escaped): Row => [
      `A="x\\${escaped}y"`,
      "has a backslash that programs read differently in line 1, column 5: write \\\\ for a backslash, or use '…'",
    ],
  ),
  [
    "A=`a\"b'c`",
    "has a value that begins with a backquote in line 1, column 3: only some programs take it for quotation; use ' or \"",
  ],
  ['A="open', "has a quotation mark that is not closed in line 1, column 3"],
  ['A="open\\', "has a quotation mark that is not closed in line 1, column 3"],
  ["A=1\nB='2\nC=3", "has a quotation mark that is not closed in line 2, column 3"],
];

const lines: Row[] = [
  ['A="1\n# not a comment\n\n3"\nB=2', { A: "1\n# not a comment\n\n3", B: "2" }],
  ["A='x\nB=2\n'", { A: "x\nB=2\n" }],
  [
    "A='\n//registry.example.com/:_authToken=abc==\nalways-auth=true\n'",
    {
      A: "\n//registry.example.com/:_authToken=abc==\nalways-auth=true\n",
    },
  ],
  [
    'A="apiVersion: v1\nusers:\n- name: a # b\n  token: x=\n"\nB=1',
    {
      A: "apiVersion: v1\nusers:\n- name: a # b\n  token: x=\n",
      B: "1",
    },
  ],
  ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
  ["A=1\r\n\r\n# c\r\nB='2' # c\r\n", { A: "1", B: "2" }],
  ["A=1\r", { A: "1" }],
  ["\uFEFFA=1", { A: "1" }],
  ["", "sets no key"],
  ["# only\n", "sets no key"],
  ["A=1\rB=2", "has a carriage return that ends no line in line 1, column 4: end lines with LF or CR LF"],
  ["A=b\r\r\n", "has a carriage return that ends no line in line 1, column 4: end lines with LF or CR LF"],
  [
    "A='1\r\n2'",
    "has a line that ends with CR LF within quotation marks in line 1, column 5: save the file with LF line ends",
  ],
  [
    'B=\u{1F511}\nA="\u{1F511}1\r\n2"',
    "has a line that ends with CR LF within quotation marks in line 2, column 6: save the file with LF line ends",
  ],
  ...["\u00a0", "\u000b", "\u2003", "\u0085"].flatMap((space): Row[] => [
    [
      `A=x${space}`,
      "has white space other than spaces and tabs beside a value in line 1, column 4: quote the value if it is part of it",
    ],
    [
      `A=${space}x`,
      "has white space other than spaces and tabs beside a value in line 1, column 3: quote the value if it is part of it",
    ],
  ]),
];

const RULE =
  'a key must be letters, digits, ".", "_" and "-", at most 253, not "." or "_metadata", and not begin with ".."';

const keys: Row[] = [
  ["A.b-c=1", { "A.b-c": "1" }],
  ["__proto__=1\nconstructor=2\ntoString=3", { ["__proto__"]: "1", constructor: "2", toString: "3" }],
  ["1A=x", { "1A": "x" }],
  ["A=1\nfoo\nB=2", "has no KEY=value in line 2, column 1"],
  ["=x", "has no KEY=value in line 1, column 1"],
  ["A B=c", "has no KEY=value in line 1, column 1"],
  ["  \u00c4=1", "has no KEY=value in line 1, column 3"],
  ["A[0]=1", "has no KEY=value in line 1, column 1"],
  ["A#=1", "has no KEY=value in line 1, column 1"],
  ["\u00a0A=1", "has no KEY=value in line 1, column 1"],
  ["export A", "has no KEY=value in line 1, column 1"],
  ["export =x", "has no KEY=value in line 1, column 1"],
  ["export\tA=x", "has no KEY=value in line 1, column 1"],
  ["A:b", "has no KEY=value in line 1, column 1"],
  ["A : b", "has no KEY=value in line 1, column 1"],
  ["A: \nB=2", "has no KEY=value in line 1, column 1"],
  ['A=\n\n"x"', "has no KEY=value in line 3, column 1"],
  ["A=1\n\nexport A=2", "sets a key a second time in line 3, column 8"],
  ["..data=1", `has a key that can't be one in line 1, column 1: ${RULE}`],
  ["A=1\n_metadata=1", `has a key that can't be one in line 2, column 1: ${RULE}`],
  [`${"a".repeat(254)}=1`, `has a key that can't be one in line 1, column 1: ${RULE}`],
];

for (const [name, rows] of Object.entries({ plain, hashes, quoted, lines, keys })) {
  for (const [text, expected] of rows) {
    t.test(`${name}: ${shown(text)}`, async (t) => {
      const wanted = typeof expected === "string" ? expected : bytesOf(Object.entries(expected));
      t.same(told(readDotenv(Buffer.from(text))), wanted);
    });
  }
}

t.test("there are as many shapes as there should be", async (t) => {
  t.ok([plain, hashes, quoted, lines, keys].flat().length >= 80);
});

t.test("PEM keys in quotes, whatever their last lines look like", async (t) => {
  for (const type of ["spki", "sec1"] as const) {
    for (let made = 0; made < 20; made += 1) {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const key =
        type === "spki"
          ? publicKey.export({ type, format: "pem" })
          : privateKey.export({ type, format: "pem" });
      for (const mark of ["'", '"']) {
        t.same(
          told(readDotenv(Buffer.from(`A=1\nKEY=${mark}${key}${mark}\nB=2`))),
          bytesOf([
            ["A", "1"],
            ["KEY", key],
            ["B", "2"],
          ]),
        );
      }
    }
  }
});

t.test("bytes that are not UTF-8 are told by their place", async (t) => {
  const place = (...parts: (string | number[])[]) =>
    told(readDotenv(Buffer.concat(parts.map((part) => Buffer.from(part)))));
  t.equal(place("A=1\nB=\u00e4", [0xff], "\n"), "is not UTF-8 text in line 2, column 4");
  t.equal(place("\uFEFFA=\uFFFD", [0xe2, 0x82]), "is not UTF-8 text in line 1, column 4");
  t.equal(place([0xff, 0xfe], "A\0"), "is not UTF-8 text in line 1, column 1");
});

t.test("a large file is read in time that grows with its size", async (t) => {
  const value = `${" ".repeat(400_000)}x${"\\".repeat(300_000)}${'\\"'.repeat(100_000)}`;
  const read = readDotenv(Buffer.from(`A=${value}\nB="${"\\\\".repeat(200_000)}"\n`));
  t.ok(read.ok && read.value.get("B")?.length === 200_000);
});
