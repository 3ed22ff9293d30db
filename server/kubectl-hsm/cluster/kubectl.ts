// SPDX-License-Identifier: Apache-2.0
// Runs kubectl as a child process for everything that needs the cluster, with the user's kubeconfig and its credentials.
// Objects go to it on standard input; no value of a secret is ever in its arguments.
import { spawn } from "node:child_process";
import type { Environment } from "../../config/variables.ts";
import { jsonOf } from "../../json.ts";
import { CommandFailed } from "../exit-codes.ts";
import { severalLines } from "../io.ts";

export type KubectlOptions = {
  env: Environment;
  context?: string | undefined;
  kubeconfig?: string | undefined;
};

export type Kubectl = {
  /** Its standard output. @throws CommandFailed with what kubectl said. */
  run(args: readonly string[], input?: string): Promise<string>;
  /** The object that `get … -o json` gives, or undefined where there is none. */
  get(args: readonly string[]): Promise<unknown>;
  /** How a kubectl is started that goes on running: program, arguments and environment. */
  command(args: readonly string[]): { program: string; args: string[]; env: Environment };
};

/** More than any list of objects that a command asks for. */
const MAX_OUTPUT = 64 * 1024 * 1024;
const MAX_SAID = 4000;

export const createKubectl = (options: KubectlOptions): Kubectl => {
  const chosen = [
    ...(options.kubeconfig === undefined ? [] : [`--kubeconfig=${options.kubeconfig}`]),
    ...(options.context === undefined ? [] : [`--context=${options.context}`]),
  ];
  const command: Kubectl["command"] = (args) => ({
    program: "kubectl",
    args: [...args, ...chosen],
    env: options.env,
  });
  const run: Kubectl["run"] = async (args, input = "") => {
    const { code, stdout, stderr } = await finished(command(args), input);
    if (code !== 0) {
      throw new CommandFailed(
        "unreachable",
        `kubectl ${args[0]} failed: ${stderrText(stderr) || `exit ${code}`}`,
      );
    }
    return stdout;
  };
  return {
    run,
    command,
    async get(args) {
      const text = await run(["get", ...args, "-o", "json", "--ignore-not-found"]);
      if (text.trim() === "") return undefined;
      const object = jsonOf(text);
      if (object === undefined) {
        throw new CommandFailed("unreachable", "kubectl get printed something that is not JSON");
      }
      return object;
    },
  };
};

/** What kubectl said, for a person: it is the API server's word, which may hold anything. */
export const stderrText = (stderr: string): string => severalLines(stderr.trim().slice(0, MAX_SAID));

const finished = (
  { program, args, env }: ReturnType<Kubectl["command"]>,
  input: string,
): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: "pipe" });
    const out: Buffer[] = [];
    let [size, stderr] = [0, ""];
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT) child.kill("SIGKILL");
      else out.push(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (stderr.length < MAX_SAID) stderr += text;
    });
    child.on("error", (error) =>
      reject(
        new CommandFailed(
          "unreachable",
          `kubectl can't be started (${"code" in error ? String(error.code) : "unknown error"}). Is it on PATH?`,
        ),
      ),
    );
    child.on("close", (code) =>
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString("utf8"), stderr }),
    );
    // A kubectl that ends without reading its input says why in its own words.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
