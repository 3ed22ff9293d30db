// SPDX-License-Identifier: Apache-2.0
// Creates the credentials of an installation with the commands of docs/install.md.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../credentials.sh", import.meta.url));

/** Runs scripts/credentials.sh against the API server of `kubeconfig`, with further options. */
export const makeCredentials = (
  kubeconfig: string,
  pinFile: string,
  options: readonly string[] = [],
): Promise<void> =>
  new Promise((resolve, reject) => {
    const words = ["--apply", "--pin-file", pinFile, "--san", "127.0.0.1", ...options];
    const child = spawn("bash", [script, ...words], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`scripts/credentials.sh failed: ${said.trim()}`)),
    );
  });
