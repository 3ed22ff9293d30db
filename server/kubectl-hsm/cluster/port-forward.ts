// SPDX-License-Identifier: Apache-2.0
// Runs kubectl port-forward while a command needs it, on a loopback port that kubectl chooses.
import { spawn } from "node:child_process";
import { CommandFailed } from "../exit-codes.ts";
import { type Kubectl, stderrText } from "./kubectl.ts";

export type PortForward = { port: number; close(): Promise<void> };

/** How long kubectl may take to end by itself. */
const END_MS = 2000;

/** @throws CommandFailed when it is not open within the time. */
export const openPortForward = async (
  kubectl: Kubectl,
  to: { namespace: string; pod: string; port: number },
  timeoutMs: number,
): Promise<PortForward> => {
  const { program, args, env } = kubectl.command([
    "port-forward",
    "--address=127.0.0.1",
    "-n",
    to.namespace,
    `pod/${to.pod}`,
    `:${to.port}`,
  ]);
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  // Whatever ends this process, the child does not outlive it.
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const close = async () => {
    process.off("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(kill, END_MS);
    await ended;
    clearTimeout(timer);
  };
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (stderr.length < 4000) stderr += text;
  });
  try {
    return { port: await forwardedPort(child.stdout, ended, timeoutMs, () => stderr), close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** kubectl says `Forwarding from 127.0.0.1:40123 -> 8444` once it listens; it goes on writing afterwards. */
const forwardedPort = (
  stdout: NodeJS.ReadableStream,
  ended: Promise<void>,
  timeoutMs: number,
  stderr: () => string,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const fail = (what: string) =>
      reject(
        new CommandFailed(
          "unreachable",
          `the port-forward ${what}: ${stderrText(stderr()) || "kubectl said nothing"}`,
        ),
      );
    const timer = setTimeout(() => fail(`did not open within ${timeoutMs / 1000} s`), timeoutMs);
    let text = "";
    stdout.setEncoding("utf8");
    stdout.on("data", (chunk: string) => {
      if (text.length > 10_000) return;
      text += chunk;
      const port = text.match(/^Forwarding from 127\.0\.0\.1:(\d{1,5}) ->/m)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    void ended.then(() => {
      clearTimeout(timer);
      fail("could not be opened");
    });
  });
