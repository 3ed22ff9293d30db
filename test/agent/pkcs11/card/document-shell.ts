// SPDX-License-Identifier: Apache-2.0
// Runs the shell commands of a document in one bash, from top to bottom.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Test } from "tap";
import { openscModule } from "../../../doubles/sc-hsm/pcscd.ts";
import { ENTRY } from "../../../kubectl-hsm/fixture.ts";

export type ShellBlock = { section: string; commands: string };

/** The blocks that are fenced as sh, with the heading that each stands under. */
export const shellBlocks = (document: URL): ShellBlock[] => {
  const blocks: ShellBlock[] = [];
  let section = "";
  const parts = readFileSync(document, "utf8").matchAll(/^#+ (.*)$|^```sh\n([\s\S]*?)^```$/gm);
  for (const [, heading, commands] of parts) {
    if (heading !== undefined) section = heading;
    // Where Debian for x86-64 has the module; this machine may be another.
    else if (commands !== undefined) {
      blocks.push({
        section,
        commands: commands.replaceAll("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", openscModule()),
      });
    }
  }
  return blocks;
};

/**
 * kubectl on PATH: its plugin is ours, and what is to run in the agent's pod runs here, with the paths of this machine.
 */
const KUBECTL = `#!/bin/sh
if [ "$1" = hsm ]; then shift; exec ${process.execPath} ${ENTRY} "$@"; fi
while [ "$1" != -- ]; do shift; done
exec "$2" "$3" "$(printf %s "$4" | sed -e "s|/etc/keyswitch/pkcs11/pin|$PIN_FILE|" -e "s|/usr/lib/opensc-pkcs11.so|${openscModule()}|")"
`;

export type Shell = {
  /** Runs the commands after those before them; any that fails ends them. `env` is set for these alone. */
  run(commands: string, env?: Record<string, string>): Promise<{ code: number | null; out: string }>;
  /** May be added to. */
  env: Record<string, string>;
  folder: string;
};

/**
 * A bash for the commands of a document, which keeps variables and functions from one block to the next. `answers` is what is
 * typed at the prompts of \`read -p\`.
 */
export const openShell = (
  t: Test,
  env: Record<string, string>,
  answers: ReadonlyMap<string, string>,
): Shell => {
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-page-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "kubectl"), KUBECTL);
  chmodSync(join(bin, "kubectl"), 0o755);
  const [script, state] = [join(folder, "script"), join(folder, "state")];
  const all = { PATH: `${bin}:${process.env.PATH}`, HOME: folder, LC_ALL: "C.UTF-8", ...env };
  return {
    env: all,
    folder,
    run: async (commands, more = {}) => {
      const before = existsSync(state) ? `. ${state}\n` : "";
      const after = `{ export -p; declare -f; } >${state}\n`;
      writeFileSync(script, `set -ea\n${before}${commands}\n${after}`, { mode: 0o600 });
      const bash = spawn("bash", [script], { cwd: folder, env: { ...all, ...more }, stdio: "pipe" });
      const asked = [...commands.matchAll(/read -rsp '(.*?): '/g)].map(([, prompt = ""]) => prompt);
      bash.stdin.on("error", () => undefined);
      bash.stdin.end(asked.map((prompt) => `${answers.get(prompt) ?? ""}\n`).join(""));
      const [out, errors, [code]] = await Promise.all([
        text(bash.stdout),
        text(bash.stderr),
        once(bash, "close"),
      ]);
      return { code: typeof code === "number" ? code : null, out: `${out}\n${errors}` };
    },
  };
};
