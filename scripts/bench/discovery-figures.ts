// SPDX-License-Identifier: Apache-2.0
// Measures discovery at rest: memory and processor time with the runtime options of its manifest, on a made-up sysfs and with a
// kubelet that watches each device.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { Kubelet } from "../../test/doubles/kubelet/kubelet.ts";
import { eventually } from "../local/eventually.ts";
import { startServerProcess } from "../local/server-process.ts";
import { runtimeEnv } from "./manifest-env.ts";

export interface DiscoveryFigures {
  /** MiB that were resident at the end. */
  readonly memory: number;
  readonly peak: number;
  readonly startMs: number;
  /** Of one processor, while nothing is plugged. */
  readonly cpuPercent: number;
}

const DEVICES = 8;
/** Several looks at the devices, with a request between them, until discovery has collected what its start has left. */
const SECONDS = 20;

const makeSysfs = (folder: string): string => {
  const sysfs = join(folder, "sys");
  const links = join(sysfs, "bus/usb/devices");
  mkdirSync(links, { recursive: true });
  for (let port = 1; port <= DEVICES; port += 1) {
    const name = `1-${port}`;
    const files = {
      idVendor: "2e8a",
      idProduct: "10fd",
      serial: `E${port}`,
      busnum: "1",
      devnum: String(port),
    };
    mkdirSync(join(sysfs, "devices", name), { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      writeFileSync(join(sysfs, "devices", name, file), `${text}\n`);
    }
    symlinkSync(`../../../devices/${name}`, join(links, name));
  }
  return sysfs;
};

export const measureDiscovery = async (folder: string): Promise<DiscoveryFigures> => {
  const plugins = join(folder, "plugins");
  mkdirSync(plugins);
  const kubelet = new Kubelet(plugins);
  await kubelet.start();
  const env = {
    NODE_NAME: "bench",
    SYSFS_ROOT: makeSysfs(folder),
    DEVICE_PLUGIN_DIR: plugins,
    LOG_LEVEL: "error",
  };
  const discovery = await startServerProcess("discovery", {
    ...runtimeEnv("discovery/daemon-set.yaml"),
    ...env,
  });
  try {
    await eventually("every device is registered", async () => kubelet.known.size === DEVICES);
    const before = discovery.cpuSeconds();
    for (let second = 0; second < SECONDS; second += 1) {
      await (await request(`${discovery.url}/v1/devices`)).body.dump();
      await sleep(1000);
    }
    const { now, peak } = discovery.memory().own;
    const cpuPercent = Math.round((1000 * (discovery.cpuSeconds() - before)) / SECONDS) / 10;
    return { memory: now, peak, startMs: discovery.startMs, cpuPercent };
  } finally {
    await discovery.stop();
    kubelet.stop();
  }
};
