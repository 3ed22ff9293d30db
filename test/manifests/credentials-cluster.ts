// SPDX-License-Identifier: Apache-2.0
// Simulates a cluster in files for scripts/credentials.sh, with a PATH on which each tool records its arguments.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { credentials } from "./credentials.ts";
import { root } from "./rendered.ts";

const TOOLS = [
  "openssl",
  "kubectl",
  "cat",
  "cp",
  "mv",
  "sed",
  "tr",
  "rm",
  "mkdir",
  "mktemp",
  "grep",
  "dirname",
  "sleep",
];

/** Does not wait, and keeps what the cluster holds meanwhile. */
const SLEEP = `#!/bin/sh
echo "waited $1" >>"$FAKE_CLUSTER/.log"
cp -R "$FAKE_CLUSTER" "$FAKE_CLUSTER/../wait.$(grep -c '^waited' "$FAKE_CLUSTER/.log")"
`;

/** A cluster made of files, and a PATH on which each tool notes its arguments before it runs. */
export const cluster = (t: Test) => {
  const folder = t.testdir({ bin: {}, real: {}, cluster: {}, tmp: {} });
  copyFileSync(join(root, "test/manifests/fake-kubectl.sh"), join(folder, "real/kubectl"));
  writeFileSync(join(folder, "real/sleep"), SLEEP, { mode: 0o755 });
  for (const tool of TOOLS) {
    if (tool !== "kubectl" && tool !== "sleep") {
      symlinkSync(execFileSync("which", [tool], { encoding: "utf8" }).trim(), join(folder, "real", tool));
    }
    writeFileSync(
      join(folder, "bin", tool),
      `#!/bin/sh\nprintf '%s\\n' "${tool} $*" >>${folder}/argv\nexec ${folder}/real/${tool} "$@"\n`,
    );
    chmodSync(join(folder, "bin", tool), 0o755);
  }
  const env = {
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    FAKE_CLUSTER: join(folder, "cluster"),
    TMPDIR: join(folder, "tmp"),
  };
  const pin = randomBytes(8).toString("hex");
  writeFileSync(join(folder, "pin"), pin, { mode: 0o600 });
  /** What a Secret holds now, or held during the nth wait. */
  const value = (secret: string, key: string, wait?: number) => {
    const then = wait === undefined ? "cluster" : `wait.${wait}`;
    const line = readFileSync(join(folder, then, secret), "utf8")
      .split("\n")
      .find((text) => text.startsWith(`${key}: `));
    return Buffer.from(line?.slice(key.length + 2) ?? "", "base64").toString();
  };
  const file = (name: string) => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  };
  return { run: (...args: string[]) => credentials(args, env), folder, pin, value, file };
};
