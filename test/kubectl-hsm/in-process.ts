// SPDX-License-Identifier: Apache-2.0
// Runs kubectl-hsm within the test's process, for the many rows that end before anything is sent.
import { PassThrough } from "node:stream";
import { runKubectlHsm } from "../../server/kubectl-hsm/main.ts";

/** No terminal, no kubectl, no agent. */
export const runHere = async (
  args: readonly string[],
  { env = {}, input = "" }: { env?: Record<string, string>; input?: string } = {},
) => {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const written: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
  stdout.setEncoding("utf8").on("data", (text: string) => {
    written.stdout += text;
  });
  stderr.setEncoding("utf8").on("data", (text: string) => {
    written.stderr += text;
  });
  stdin.end(input);
  const code = await runKubectlHsm(args, { PATH: "/nonexistent", ...env }, { stdin, stdout, stderr });
  return { code, ...written };
};
