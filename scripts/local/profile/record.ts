// SPDX-License-Identifier: Apache-2.0
// Loaded before a process of the bench by NODE_OPTIONS: records where its time and its memory go, from its start on, and writes both
// profiles when it is told to by SIGUSR2. Chrome's developer tools open them.
import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { basename, join } from "node:path";
import { PROFILE_FOLDER, profileName } from "./profiled.ts";

/** Microseconds. */
const INTERVAL = 500;

const folder = process.env[PROFILE_FOLDER];
if (folder !== undefined) {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: INTERVAL });
  await session.post("Profiler.start");
  await session.post("HeapProfiler.startSampling");
  const [, entry = "node", role = "pkcs11-child"] = process.argv;
  const program = basename(entry).replace(/\.[jt]s$/, "");
  // Of the product's own entries, which are all called main, the role tells more.
  const name = profileName(program === "main" ? role : program, process.pid);
  const write = (kind: string, profile: unknown): void => {
    const file = join(folder, `${name}.${kind}`);
    writeFileSync(`${file}.part`, JSON.stringify(profile));
    renameSync(`${file}.part`, file);
  };
  process.once("SIGUSR2", async () => {
    const heap = await session.post("HeapProfiler.stopSampling");
    const cpu = await session.post("Profiler.stop");
    write("heapprofile", heap.profile);
    // The last: who waits for the profiles looks for this one.
    write("cpuprofile", cpu.profile);
  });
}
