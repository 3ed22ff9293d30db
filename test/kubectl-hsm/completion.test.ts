// SPDX-License-Identifier: Apache-2.0
// Tests completion: by the script in a real bash, and by kubectl itself.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { COMMANDS } from "../../server/kubectl-hsm/commands.ts";
import { completionsOf } from "../../server/kubectl-hsm/complete.ts";
import { ENTRY, type RunningAgent, startAgent, temporaryFolder, terminalEnv } from "./fixture.ts";
import { runHere } from "./in-process.ts";

const firstWords = [...new Set(COMMANDS.map(({ name }) => name.split(" ")[0] ?? "")), "help"];
const rows: [line: string[], words: string[], lookUp?: string][] = [
  [[""], firstWords],
  [["re"], ["rename-key", "repack", "repair"]],
  [
    ["mirror", ""],
    ["sync", "status", "diff", "resolve", "adopt"],
  ],
  [["mirror", "sync", "--agent-o"], ["--agent-only"]],
  [["help", "ro"], ["rotate-pin"]],
  [["-n", "shop", "li"], ["list"]],
  [["list", "--out"], ["--output"]],
  [
    ["list", "-o", ""],
    ["text", "json", "yaml"],
  ],
  [["list", "--output=j"], ["--output=json"]],
  [
    ["repack", "--layout", "p"],
    ["packed", "per-key"],
  ],
  [["completion", "z"], ["zsh"]],
  [["get", ""], [], "secret"],
  [["get", "db", ""], []],
  [["delete", "-n", "shop", ""], [], "secret"],
  [["export", "a", "b", ""], [], "secret"],
  [["import", ""], [], "file"],
  [["create", "db", "--from-file", ""], [], "file"],
  [["list", ""], []],
  [["frob", ""], []],
];
for (const [line, words, lookUp] of rows) {
  t.test(`completing ${JSON.stringify(line)}`, async (t) => {
    t.same(completionsOf(line), { words, ...(lookUp !== undefined && { lookUp }) });
  });
}

/** A folder of PATH that has the programs as an installation does. */
const installed = (folder: string) => {
  const program = (name: string, entry: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\nexec "${process.execPath}" "${entry}" "$@"\n`, {
      mode: 0o755,
    });
  program("kubectl-hsm", ENTRY);
  program(
    "kubectl_complete-hsm",
    fileURLToPath(new URL("../../server/kubectl-complete-hsm.ts", import.meta.url)),
  );
};

const output = async (
  agent: RunningAgent,
  folder: string,
  command: string,
  args: string[],
): Promise<string> => {
  const env = terminalEnv(agent);
  const child = spawn(command, args, {
    env: { ...env, PATH: `${folder}:${env.PATH}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  return text;
};

t.test("in bash and in kubectl", async (t) => {
  const agent = await startAgent(t);
  agent.store.put("secrets/shop/database", { a: "1" });
  agent.store.put("secrets/shop/mail", { a: "1" });
  const folder = temporaryFolder(t);
  installed(folder);
  const bash = (...words: string[]) =>
    output(agent, folder, "bash", [
      "-c",
      'source <(kubectl-hsm completion bash); COMP_WORDS=(kubectl-hsm "$@"); COMP_CWORD=$#; _kubectl_hsm; declare -p COMPREPLY; complete -p kubectl-hsm',
      "bash",
      ...words,
    ]);
  t.equal(
    await bash("re"),
    'declare -a COMPREPLY=([0]="rename-key" [1]="repack" [2]="repair")\ncomplete -F _kubectl_hsm kubectl-hsm\n',
  );
  t.match(await bash("get", "-n", "shop", "d"), /=\(\[0\]="database"\)/);
  t.match(await bash("list", "-o", ""), /=\(\[0\]="text" \[1\]="json" \[2\]="yaml"\)/);
  const kubectl = (...words: string[]) => output(agent, folder, "kubectl", ["__complete", "hsm", ...words]);
  t.match(await kubectl("re"), /^rename-key\nrepack\nrepair\n:4/m);
  t.match(await kubectl("get", "-n", "shop", ""), /^database\nmail\n:4/m);
  t.match(await kubectl("import", ""), /^:0/m);
  t.equal(
    await output(agent, folder, "kubectl", ["hsm", "list", "-n", "shop", "-o", "json"]).then(
      (text) => JSON.parse(text).secrets.length,
    ),
    2,
    "kubectl finds the plugin",
  );
});

t.test("the scripts are right for their shells, as far as those are here", async (t) => {
  for (const [shell, args] of [
    ["bash", ["-n"]],
    ["zsh", ["-n"]],
    ["fish", ["--no-execute"]],
  ] as const) {
    const { stdout, code } = await runHere(["completion", shell]);
    t.equal(code, 0);
    t.match(stdout, /kubectl-hsm __complete/);
    const { error, status } = spawnSync(shell, args, { input: stdout });
    if (error === undefined) t.equal(status, 0, shell);
  }
});
