// SPDX-License-Identifier: Apache-2.0
// Runs kubectl against the local control plane, as its users do.
import { spawn } from "node:child_process";

/** What a kubectl call printed and how it ended. */
interface KubectlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl with `args`, and `input` as its standard input. */
export type Kubectl = {
  /** Answers with its standard output, and throws with its standard error if it fails. */
  (args: readonly string[], input?: string): Promise<string>;
  /** Answers however it ends. */
  try(args: readonly string[], input?: string): Promise<KubectlResult>;
  /** The object that `kubectl get ARGS -o json` prints, or undefined where there is none. */
  get(args: readonly string[]): Promise<unknown>;
};

/** A kubectl that uses the file `kubeconfig` and nothing of the user's. */
export const kubectlWith = (kubeconfig: string): Kubectl => {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const attempt = (args: readonly string[], input = ""): Promise<KubectlResult> =>
    new Promise((resolve, reject) => {
      const child = spawn("kubectl", args, { env, stdio: "pipe" });
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      child.on("error", reject);
      child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
      child.stdin.on("error", () => {});
      child.stdin.end(input);
    });
  const run = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await attempt(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
    return stdout;
  };
  return Object.assign(run, {
    try: attempt,
    get: async (args: readonly string[]): Promise<unknown> => {
      const text = await run(["get", ...args, "-o", "json", "--ignore-not-found"]);
      return text.trim() === "" ? undefined : JSON.parse(text);
    },
  });
};
