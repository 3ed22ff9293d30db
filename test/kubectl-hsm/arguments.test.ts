// SPDX-License-Identifier: Apache-2.0
// Tests errors of the command line: they come before anything is sent, and do not repeat what was typed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { COMMANDS } from "../../server/kubectl-hsm/commands.ts";
import { madeUp, temporaryFolder } from "./fixture.ts";
import { runHere } from "./in-process.ts";

const secret = madeUp();
const folder = temporaryFolder(t);
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const big = file("big", "x".repeat(1024 * 1024 + 1));
const badEnv = file("bad.env", `A=1\n${secret}\n`);
const openEnv = file("open.env", `A=1\nB="${secret}\n`);
const twiceEnv = file("twice.env", `A=1\nA=${secret}\n`);
const unsureEnv = file("unsure.env", `A=1\nB= # ${secret}\n`);
const twiceJson = file("twice.json", `{"a": 1,\n  "a": "${secret}"}`);
const manyJson = file("many.json", `{"db": {"a": "1"},\n "web": {"a": "1",\n  "a": "${secret}"}}`);
const dotsJson = file("dots.json", `{"db":{"a":"1"},"web":{  "..a":"${secret}"}}`);
const dotsExport = file(
  "dots-export.json",
  JSON.stringify({ secrets: [{ path: "secrets/shop/a", data: { "..a": "AA==" } }] }),
);
const badJson = file("bad.json", `{"a": ${secret}`);
const deepJson = file("deep.json", JSON.stringify({ a: { b: secret } }));
const listJson = file("list.json", JSON.stringify([secret]));
const binaryEnv = file("binary.env", "A=\u0000");
writeFileSync(binaryEnv, Buffer.from([0x41, 0x3d, 0xff, 0xfe]));
const export1 = file("export.json", JSON.stringify({ secrets: [{ path: "a", data: { k: `${secret}!` } }] }));
const exportSum = file(
  "sum.json",
  JSON.stringify({ secrets: [{ path: "a", data: { k: "AA==" }, checksum: `sha256:${"0".repeat(64)}` }] }),
);
const empty = file("empty", "");
const pin = file("pin", "123456\n");
const pins = file("pins", `${secret}\n${secret}\n`);

const rows: [sentence: string, args: string[], expected: RegExp][] = [
  ["no such command", [secret], /there is no such command/],
  ["half of a command", ["mirror"], /did you mean mirror sync or mirror status or .*\?/],
  ["help for a command that is none", ["help", secret], /there is no such command/],
  ["no NAME", ["create"], /NAME is missing/],
  ["a word too many", ["get", "db", secret], /takes NAME, and there are 2 words/],
  ["a word where none is taken", ["list", secret], /takes options only/],
  ["an option that is not known", ["list", "--frob"], /the option --frob is not known/],
  [
    "a value in place of an option",
    ["list", `--${secret}`],
    /the option is not known|the option --\S+ is not known/,
  ],
  ["an option without its value", ["list", "-n"], /--namespace needs a value/],
  ["an option as another's value", ["list", "-n", "-A"], /--namespace needs a value; one that starts with -/],
  ["a value for a switch", ["list", `--all-namespaces=${secret}`], /--all-namespaces takes no value/],
  ["an option twice", ["list", "-n", "a", "-n", "b"], /--namespace is given twice/],
  ["a format that is none", ["list", "-o", secret], /--output must be one of text, json, yaml/],
  ["a shell that is none", ["completion", secret], /SHELL must be one of bash, zsh, fish/],
  ["a namespace that is none", ["list", "-n", "A_B"], /-n: not a namespace's name/],
  ["a path that is none", ["get", "../x", "-n", "a"], /NAME must be segments/],
  ["a path of metadata", ["get", "x/_metadata", "-n", "a"], /NAME must be segments/],
  [
    "no namespace and no kubectl",
    ["get", "x"],
    /the namespace is not known: give it with -n\. kubectl can't be started \(ENOENT\)/,
  ],
  [
    "a literal without =",
    ["create", "x", "--from-literal", secret],
    /--from-literal number 1 must be KEY=VALUE/,
  ],
  [
    "a literal without a key",
    ["create", "x", `--from-literal==${secret}`],
    /--from-literal number 1 must be/,
  ],
  ["a key that can't be one", ["create", "x", `--from-literal=a b=${secret}`], /number 1: a key must be/],
  ["a key that is the agent's", ["create", "x", "--from-literal=_metadata=1"], /a key must be/],
  ["a key that no Secret can hold", ["create", "x", "--from-literal=..data=1"], /number 1: a key must be/],
  [
    "a literal that is not UTF-8",
    ["create", "x", "--from-literal=a=x\uFFFD"],
    /number 1 holds bytes that are not UTF-8: give them with --from-file KEY=FILE/,
  ],
  [
    "a key twice",
    ["create", "x", "--from-literal=a=1", "--from-literal=a=2"],
    /gives the key a a second time/,
  ],
  ["nothing to write", ["create", "x"], /no value is given/],
  ["nothing to update", ["update", "x", "--replace", "--description", "x"], /no value is given/],
  ["a file that is none", ["create", "x", "--from-file", "/none/such"], /\/none\/such does not exist/],
  [
    "a value in place of a file",
    ["create", "x", `--from-file=a=${secret}`],
    /number 1: the file does not exist/,
  ],
  ["a folder", ["create", "x", "--from-file", folder], /is a directory/],
  ["a file that no Secret could hold", ["create", "x", "--from-file", big], /holds more than 1048576 bytes/],
  ["standard input without a key", ["create", "x", "--from-file", "-"], /needs a key: KEY=-/],
  ["standard input twice", ["create", "x", "--from-file=a=-", "--from-file=b=-"], /can be used once/],
  [
    ".env with a line that is none",
    ["create", "x", "--from-file", badEnv],
    /has no KEY=value in line 2, column 1\n/,
  ],
  [
    ".env with an open quotation",
    ["create", "x", "--from-file", openEnv],
    /has a quotation mark that is not closed in line 2, column 3\n/,
  ],
  [
    ".env with a key twice",
    ["create", "x", "--from-file", twiceEnv],
    /sets a key a second time in line 2, column 1\n/,
  ],
  [
    ".env with a line that programs read differently",
    ["create", "x", "--from-file", unsureEnv],
    /unsure\.env has a # between the = and any value in line 2, column 4: /,
  ],
  [
    "an env file with a line that is none",
    ["create", "x", "--from-env-file", badEnv],
    /has no KEY=value in line 2, column 1: kubectl would take/,
  ],
  [
    "an env file with a key twice",
    ["create", "x", "--from-env-file", twiceEnv],
    /sets a key a second time in line 2, column 1\n/,
  ],
  [
    ".env that is not text",
    ["create", "x", "--from-file", binaryEnv],
    /is not UTF-8 text in line 1, column 3\n/,
  ],
  [".json that is none", ["create", "x", "--from-file", badJson], /is not JSON: .* in line 1, column \d+\n/],
  [
    ".json with a key twice",
    ["create", "x", "--from-file", twiceJson],
    /sets a key a second time in line 2, column 3\n/,
  ],
  [
    "secrets by name with a key twice",
    ["import", manyJson],
    /sets a key a second time in line 3, column 3\n/,
  ],
  [
    "secrets by name with a key that can't be one",
    ["import", dotsJson],
    /has a key that can't be one in line 1, column 26: a key must be/,
  ],
  [
    "an export with a key that no Secret can hold",
    ["import", dotsExport],
    /a key of secrets\/shop\/a can't be one: it must be letters/,
  ],
  [
    ".json with objects in it",
    ["create", "x", "--from-file", deepJson],
    /something else than text as value 1/,
  ],
  [".json that is a list", ["create", "x", "--from-file", listJson], /must be a JSON object of keys/],
  ["--interactive without a terminal", ["create", "x", "--interactive"], /--interactive needs a terminal/],
  [
    "a label without =",
    ["create", "x", "--from-literal=a=1", "-l", secret],
    /--label number 1 must be KEY=VALUE/,
  ],
  [
    "a label twice",
    ["create", "x", "--from-literal=a=1", "-l", "b=1", "-l", `b=${secret}`],
    /--label number 2 gives a label a second time/,
  ],
  ["a label of the agent's", ["create", "x", "--from-literal=a=1", "-l", "sync.x=1"], /are the agent's own/],
  ["--key with --show", ["get", "x", "--key=a", "--show"], /--key writes the value alone/],
  ["delete without a terminal", ["delete", "x"], /--yes says that you are sure/],
  ["repack without a terminal", ["repack"], /--yes says that you are sure/],
  ["repack of some and all", ["repack", "x", "-A"], /NAME and -A exclude each other/],
  ["a new name that can't be one", ["rename-key", "x", "a", "b/c"], /NEW must be/],
  ["a new name that no Secret can hold", ["rename-key", "x", "a", "..b"], /NEW must be/],
  ["the same name", ["rename-key", "x", "a", "a"], /are the same/],
  ["import of nothing", ["import"], /nothing to import/],
  ["a file of no known kind", ["import", pin], /neither \.json nor \.env/],
  ["--name for several", ["import", badEnv, twiceEnv, "--name", "x"], /--name goes with one/],
  [
    "an export with a value that is not base64",
    ["import", export1],
    /looks like an export, and is none: \/secrets\/0\/data\/k/,
  ],
  ["an export that was edited", ["import", exportSum], /do not fit their checksum/],
  ["standard input without --name", ["import", "-", "--format", "env"], /standard input needs --name/],
  ["export to nobody", ["export"], /say to whom with -r or -R, or --plain/],
  ["export plain and to somebody", ["export", "--plain", "-r", "age1x"], /exclude each other/],
  ["a recipient that is none", ["export", "-r", secret], /recipient 1 is not a public key of age/],
  ["a recipients' file that is empty", ["export", "-R", empty], /holds no recipient/],
  ["PINs without a terminal", ["rotate-pin"], /use --current-pin-file and --new-pin-file/],
  [
    "a PIN file of two lines",
    ["rotate-pin", "--current-pin-file", pins],
    /--current-pin-file holds more than one line/,
  ],
  [
    "a new PIN that is the old one",
    ["rotate-pin", "--current-pin-file", pin, "--new-pin-file", pin],
    /is the current one/,
  ],
  ["a server without TLS", ["list", "--server", "http://hsm.example.com"], /--server must use https/],
  [
    "a server with credentials",
    ["list", "--server", `https://u:${secret}@h`],
    /--server must not hold credentials/,
  ],
  [
    "both ways to the agent",
    ["list", "--server", "https://h", "--agent", "a"],
    /--agent is of no use beside --server/,
  ],
  ["a CA without a server", ["list", "--ca-file", pin], /--ca-file is of use with --server alone/],
  [
    "a token file that is none",
    ["list", "--server", "https://h", "--token-file", "/none"],
    /--token-file \/none does not exist/,
  ],
  ["a time that is none", ["list", "--timeout", "soon"], /--timeout must be a whole number from 1 to 3600/],
];
for (const [sentence, args, expected] of rows) {
  t.test(sentence, async (t) => {
    const hasItsOwn = args.includes("-n") || sentence === "no namespace and no kubectl";
    const ran = await runHere(hasItsOwn ? args : [...args, "-n", "shop"], { input: "A=1" });
    t.equal(ran.code, 2, ran.stderr);
    t.match(ran.stderr, expected);
    t.equal(ran.stdout, "");
    t.notOk(`${ran.stdout}${ran.stderr}`.includes(secret), "what was typed is not repeated");
  });
}

t.test("help says of each command what it takes, and names the exit codes", async (t) => {
  const general = await runHere(["help"]);
  t.equal(general.code, 0);
  for (const { name, summary } of COMMANDS) {
    t.ok(general.stdout.includes(summary));
    for (const args of [
      ["help", ...name.split(" ")],
      [...name.split(" "), "--help"],
      ["-h", ...name.split(" ")],
    ]) {
      const help = await runHere(args);
      t.match(
        help,
        { code: 0, stdout: new RegExp(`^kubectl hsm ${name}[\\s\\S]*--namespace`) },
        args.join(" "),
      );
    }
  }
  t.match(general.stdout, /exit codes\n {2}0 +done/);
  t.match(await runHere([]), { code: 2, stdout: "", stderr: /^kubectl hsm COMMAND/ });
  t.match((await runHere(["create", "--help"])).stdout, /list\s+of\s+processes/);
});

t.test("global options may stand before the command", async (t) => {
  const ran = await runHere(["-n", "shop", "-o", "json", "get", "a b"]);
  t.match(ran.stderr, /NAME must be segments/);
});
