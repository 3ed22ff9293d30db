// SPDX-License-Identifier: Apache-2.0
// Tests globs below /dev: what they match, permissions, and that no link leads out.
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { listDevicePaths } from "../../server/discovery/device-paths.ts";

const list = async (root: string, ...globs: string[]) =>
  (
    await listDevicePaths(
      root,
      globs.map((glob) => glob.split("/")),
    )
  ).map(({ path, permissions }) => `${permissions} ${path}`);

/** A folder dev with two devices and links to them, beside what is not to be seen. */
const devOf = (t: Test): string => {
  const folder = t.testdir({ dev: { serial: { "by-id": {} } }, outside: { secret: "" } });
  const dev = join(folder, "dev");
  for (const [name, mode] of [
    ["ttyACM0", 0o660],
    ["ttyACM1", 0o600],
  ] as const) {
    writeFileSync(join(dev, name), "");
    chmodSync(join(dev, name), mode);
  }
  symlinkSync("../../ttyACM1", join(dev, "serial/by-id/usb-Pico_HSM_E66-if00"));
  symlinkSync("../outside/secret", join(dev, "ttyACM2"));
  symlinkSync("/etc/hostname", join(dev, "ttyACM3"));
  symlinkSync("nowhere", join(dev, "ttyACM4"));
  symlinkSync("ttyACM5", join(dev, "ttyACM5"));
  symlinkSync("../outside", join(dev, "far"));
  symlinkSync("serial", join(dev, "near"));
  return dev;
};

t.test("files by path with their permissions, each once", async (t) => {
  const dev = devOf(t);
  t.same(await list(dev, "ttyACM[01]", "tty*"), ["0660 ttyACM0", "0600 ttyACM1"]);
  t.same(await list(dev, "ttyACM?"), ["0660 ttyACM0", "0600 ttyACM1"]);
  t.same(await list(dev, "none", "*/none"), []);
});

t.test("a link below /dev is told with the permissions of what it leads to", async (t) => {
  t.same(await list(devOf(t), "serial/by-id/usb-Pico*"), ["0600 serial/by-id/usb-Pico_HSM_E66-if00"]);
});

t.test(
  "links that lead out, to nowhere or in a circle, linked folders and folders are not told",
  async (t) => {
    t.same(await list(devOf(t), "ttyACM[2-5]", "far/*", "far", "near/by-id/*", "serial", "*/*"), []);
  },
);

t.test("a folder that begins like /dev is outside of it", async (t) => {
  const folder = t.testdir({ dev: {}, "dev-of-another": { secret: "" } });
  symlinkSync("../dev-of-another/secret", join(folder, "dev/link"));
  t.same(await list(join(folder, "dev"), "link"), []);
});

t.test("/dev may itself be a link, and its content may go", async (t) => {
  const dev = devOf(t);
  const link = join(dev, "..", "link");
  symlinkSync("dev", link);
  t.same(await list(link, "ttyACM0"), ["0660 ttyACM0"]);
  rmSync(join(dev, "ttyACM0"));
  mkdirSync(join(dev, "ttyACM0"));
  t.same(await list(link, "ttyACM0"), []);
});

t.test("without globs /dev is not even looked for", async (t) => {
  t.same(await list("/nowhere/at/all"), []);
  await t.rejects(list("/nowhere/at/all", "x"), { code: "ENOENT" });
});
