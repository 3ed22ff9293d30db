// SPDX-License-Identifier: Apache-2.0
// Runs a pcscd of the test's own with one virtual reader, isolated from any other: it has /run and loopback to itself.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../../scripts/local/eventually.ts";

/** Where Debian's vsmartcard-vpcd has the driver of the virtual reader. */
const DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/** Where distributions put OpenSC's module. */
export const openscModule = (): string => {
  const [found] = globSync(["/usr/lib/*/opensc-pkcs11.so", "/usr/lib/opensc-pkcs11.so"]);
  if (found === undefined) throw new Error("OpenSC's module is not installed (package opensc)");
  return found;
};

/** The reader's driver listens on every address of this port, which is why it gets a network of its own. */
const PORT = 35_963;

/**
 * Gives pcscd a /run and a network with nothing but loopback, and lets the card in by a Unix socket. The driver sends the
 * length and the APDU apart: without quick acknowledgements each would take 40 ms.
 */
const SCRIPT = `
mount --bind "$1/run" /run
ip link set lo up
ip route replace local 127.0.0.1 dev lo table local quickack 1
socat "UNIX-LISTEN:$1/reader,fork" "TCP:127.0.0.1:${PORT},nodelay" &
exec pcscd --foreground --critical --config "$1/readers"`;

export type Pcscd = {
  /** The Unix socket behind which the reader is. */
  reader: string;
  /** What a process needs in its environment to see the reader. */
  env: { PCSCLITE_CSOCK_NAME: string; OPENSC_CONF: string };
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

/** Runs pcscd with one reader. Needs root, for the namespaces. */
export const startPcscd = async (): Promise<Pcscd> => {
  // A short path: that of a socket has 107 bytes at most.
  const dir = mkdtempSync(join(tmpdir(), "pcscd-"));
  const reader = join(dir, "reader");
  mkdirSync(join(dir, "readers"));
  writeFileSync(
    join(dir, "readers", "vpcd"),
    `FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:${PORT}\nLIBPATH ${DRIVER}\nCHANNELID ${PORT}\n`,
  );
  const configuration = join(dir, "opensc.conf");
  // What the reader of a Pico HSM says of itself, and the virtual one of this version does not.
  const sizes = "max_send_size = 65535; max_recv_size = 65536;";
  writeFileSync(configuration, `app default { reader_driver pcsc { ${sizes} } }\n`);
  const socket = join(dir, "run", "pcscd", "pcscd.comm");
  let daemon: ChildProcess | undefined;

  const kill = async (): Promise<void> => {
    if (daemon?.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, "exit");
    process.kill(-daemon.pid, "SIGKILL"); // the group: socat is in it
    await exited;
  };

  const start = async (): Promise<void> => {
    rmSync(join(dir, "run"), { recursive: true, force: true, maxRetries: 5 });
    rmSync(reader, { force: true });
    mkdirSync(join(dir, "run", "pcscd"), { recursive: true });
    daemon = spawn("unshare", ["--mount", "--net", "sh", "-e", "-c", SCRIPT, "sh", dir], {
      stdio: "ignore",
      detached: true,
    });
    await eventually("pcscd and the way to its reader", async () => existsSync(socket) && existsSync(reader));
  };

  const onExit = (): void => {
    const isRunning = daemon?.exitCode === null && daemon.signalCode === null;
    if (isRunning && daemon?.pid !== undefined) process.kill(-daemon.pid, "SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", onExit);
  await start();
  return {
    reader,
    env: { PCSCLITE_CSOCK_NAME: socket, OPENSC_CONF: configuration },
    kill,
    start,
    close: async () => {
      await kill();
      process.off("exit", onExit);
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};
