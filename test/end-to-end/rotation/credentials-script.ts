// SPDX-License-Identifier: Apache-2.0
// Runs scripts/credentials.sh with the real kubectl, and calls the test whenever the script waits.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../../../scripts/credentials.sh", import.meta.url));
/** Stands for sleep(1): asks the test, and goes on at its answer. */
const SLEEP = `#!/usr/bin/env bash
exec 3<>"/dev/tcp/127.0.0.1/$MEANWHILE_PORT" && echo "$1" >&3 && read -r answer <&3 && [ "$answer" = done ]
`;

/**
 * Runs it with `args`; `meanwhile` is told how many seconds the script wants to wait, and its end ends the wait.
 * @throws Error with what the script said if it fails, and what `meanwhile` throws
 */
export const runCredentials = async (
  options: { kubeconfig: string; folder: string; meanwhile: (seconds: number) => Promise<void> },
  args: readonly string[],
): Promise<void> => {
  const bin = join(options.folder, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "sleep"), SLEEP, { mode: 0o755 });
  let fault: unknown;
  const server = createServer((socket) => {
    socket.setEncoding("utf8").once("data", (seconds: string) => {
      options.meanwhile(Number(seconds)).then(
        () => socket.end("done\n"),
        (error) => {
          fault = error;
          socket.end("failed\n");
        },
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const env = {
    ...process.env,
    KUBECONFIG: options.kubeconfig,
    PATH: `${bin}:${process.env.PATH}`,
    MEANWHILE_PORT: String(port),
  };
  const child = spawn("bash", [script, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = await once(child, "close");
  server.close();
  if (fault !== undefined) throw fault;
  if (code !== 0) throw new Error(`credentials.sh ${args.join(" ")} failed: ${said.trim()}`);
};
