// SPDX-License-Identifier: Apache-2.0
// Tests --from-env-file against the real kubectl: accepts and rejects the same, byte for byte, apart from intended differences.
import t from "tap";
import { readEnvFile } from "../../../server/kubectl-hsm/input/env-file.ts";
import { kubectlReads } from "../cluster/real-kubectl.ts";
import { temporaryFolder } from "../fixture.ts";
import { bytesOf, shown, told } from "./parsed-keys.ts";

/** Whole files that both take. */
const taken: [text: string, values: Record<string, string>][] = [
  [
    [
      "\uFEFF# a comment",
      " \t",
      "A=b ",
      '  B="q" # it\'s all the value',
      "\t\u00a0\u0085\u2003C= x\r",
      "D=\r\r",
      "E==",
      "F=#",
      "G.h-i=\u0000\u2028\u{1F511}\uFFFD",
      "\u3000# another",
      "export=$HOME",
      ".a=\\n",
      "-b='",
      `${"k".repeat(253)}=1`,
      "H=last\r",
    ].join("\n"),
    {
      A: "b ",
      B: '"q" # it\'s all the value',
      C: " x",
      D: "\r",
      E: "=",
      F: "#",
      "G.h-i": "\u0000\u2028\u{1F511}\uFFFD",
      export: "$HOME",
      ".a": "\\n",
      "-b": "'",
      ["k".repeat(253)]: "1",
      H: "last",
    },
  ],
  ["__proto__=1\nconstructor=2\ntoString=3", { ["__proto__"]: "1", constructor: "2", toString: "3" }],
];

/** What both refuse, and what is said of it here. */
const refused: [contents: string | Uint8Array, message: RegExp][] = [
  ["A=1\nA=2", /^sets a key a second time in line 2, column 1$/],
  ["A=1\n =2", /^has a key that kubectl does not take in line 2, column 2: /],
  ["1A=2", /^has a key that kubectl does not take in line 1, column 1: /],
  ["A B=2", /^has a key that kubectl does not take in line 1, column 1: /],
  ["\u00c4=2", /^has a key that kubectl does not take in line 1, column 1: /],
  ["A=1\n\uFEFFB=2", /^has a key that kubectl does not take in line 2, column 1: /],
  ["..data=1", /^has a key that can't be one in line 1, column 1: .*not begin with "\.\."$/],
  [".=1", /^has a key that can't be one in line 1, column 1: /],
  [`${"k".repeat(254)}=1`, /^has a key that can't be one in line 1, column 1: /],
  [Buffer.from([0x41, 0x3d, 0x31, 0x0a, 0x23, 0xff]), /^is not UTF-8 text in line 2, column 2$/],
];

t.test("what kubectl takes", async (t) => {
  const folder = temporaryFolder(t);
  for (const [text, values] of taken) {
    const wanted = bytesOf(Object.entries(values));
    t.same(told(readEnvFile(Buffer.from(text))), wanted);
    const kubectl = await kubectlReads(folder, text);
    t.same(new Map(typeof kubectl === "string" ? [[kubectl, ""]] : kubectl), new Map(wanted));
  }
});

t.test("what kubectl refuses", async (t) => {
  const folder = temporaryFolder(t);
  await Promise.all(
    refused.map(async ([contents, message]) => {
      const name = shown(String(contents).slice(0, 40));
      t.match(told(readEnvFile(Buffer.from(contents))), message, name);
      t.match(await kubectlReads(folder, contents), /^error: /, name);
    }),
  );
});

t.test("what kubectl loses", async (t) => {
  const folder = temporaryFolder(t);
  const long = "x".repeat(65_536);
  const text = `A=1\nB=${long}\nC=3\n`;
  t.same(await kubectlReads(folder, text), bytesOf([["A", "1"]]));
  t.same(told(readEnvFile(Buffer.from(text))), bytesOf(Object.entries({ A: "1", B: long, C: "3" })));
  t.same(await kubectlReads(folder, "# only\n"), []);
  t.equal(told(readEnvFile(Buffer.from("# only\n"))), "sets no key");
  t.match(
    told(readEnvFile(Buffer.from("_metadata=1"))),
    /^has a key that can't be one/,
    "it is the agent's own",
  );
});
