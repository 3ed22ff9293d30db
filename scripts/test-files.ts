// SPDX-License-Identifier: Apache-2.0
// Runs the given test files, a few at a time, and writes their TAP to standard output. Not `tap run`: that loads code of its
// own into every process that a test starts, the product's too, which costs a fifth of the whole time.
import { readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";

/** Most of what is waited for takes no processor: three files keep two of them busy. */
const AT_ONCE = 3;
/** Of one file. A wait has a limit of its own, so that only a machine under load, or a process that does not end, meets this. */
const FILE_SECONDS = 600;

/** What `tap run` would start each file with, from package.json. */
const Package = Type.Object({ tap: Type.Object({ "node-arg": Type.Array(Type.String()) }) });
const packageJson = readFileSync(new URL("../package.json", import.meta.url), "utf8");
const nodeArguments = Value.Decode(Package, JSON.parse(packageJson)).tap["node-arg"];

t.jobs = AT_ONCE;
t.setTimeout(0);
// Without it a file gives itself half a minute.
const env = { ...process.env, TAP_TIMEOUT: `${FILE_SECONDS}` };
for (const file of process.argv.slice(2)) {
  const options = { buffered: true, timeout: FILE_SECONDS * 1000, env };
  void t.spawn(process.execPath, [...nodeArguments, file], options, file);
}
