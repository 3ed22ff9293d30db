// SPDX-License-Identifier: Apache-2.0
// Tests discovery's environment variables: defaults, the forms of globs, and faults.
import t from "tap";
import { parseDiscoveryConfig } from "../../server/discovery/config.ts";

const minimal = { NODE_NAME: "node-a" };
const globsOf = (globs: string, env: Record<string, string> = {}) => {
  const parsed = parseDiscoveryConfig({ ...minimal, ...env, DEVICE_PATHS: globs });
  return parsed.ok ? parsed.config.devicePaths.map((one) => one.join("/")) : parsed.faults;
};

t.test("the least configuration takes the defaults and is frozen", async (t) => {
  const result = parseDiscoveryConfig(minimal);
  t.same(result, {
    ok: true,
    config: {
      logLevel: "info",
      listenHost: "127.0.0.1",
      listenPort: 8446,
      nodeName: "node-a",
      sysfsRoot: "/sys",
      devRoot: "/dev",
      devicePaths: [],
      readerLists: ["/etc/libccid_Info.plist", "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist"],
    },
  });
  t.ok(result.ok && Object.isFrozen(result.config.devicePaths));
});

t.test("a folder of device plugins leaves room for the names of sockets in it", async (t) => {
  const folder = `/${"x".repeat(72)}`;
  t.match(parseDiscoveryConfig({ ...minimal, DEVICE_PLUGIN_DIR: folder }), {
    config: { devicePluginDir: folder },
  });
  for (const bad of [`${folder}x`, "plugins"]) {
    t.match(parseDiscoveryConfig({ ...minimal, DEVICE_PLUGIN_DIR: bad }), {
      ok: false,
      faults: [{ name: "DEVICE_PLUGIN_DIR", message: "must be an absolute path of 73 characters at most" }],
    });
  }
});

t.test("a reader list that is named is the only one", async (t) => {
  const result = parseDiscoveryConfig({ ...minimal, CCID_READER_LIST: "/opt/Info.plist" });
  t.match(result, { config: { readerLists: ["/opt/Info.plist"] } });
});

t.test("globs are below /dev, relative, as the node has them, or as they are mounted", async (t) => {
  const globs = "ttyACM*, /dev/ttyUSB[0-3] ,/host/dev/serial/by-id/usb-Pico*,";
  t.same(globsOf(globs, { DEV_ROOT: "/host/dev" }), ["ttyACM*", "ttyUSB[0-3]", "serial/by-id/usb-Pico*"]);
  t.same(globsOf("*a*b*"), ["*a*b*"]);
  t.same(globsOf(globs, { DEV_ROOT: "/host/dev/" }), ["ttyACM*", "ttyUSB[0-3]", "serial/by-id/usb-Pico*"]);
});

for (const glob of [
  "../etc/*",
  "serial/../../etc/passwd",
  "/etc/passwd",
  "/dev",
  "/dev/",
  "/devices/x",
  "./tty",
  "tty//x",
  "serial/**",
  "tty{ACM",
  "!tty*",
  "tty\\*",
  "*a*b*c*",
]) {
  t.test(`${glob} is no glob below /dev`, async (t) => {
    const [fault] = globsOf(`ttyACM0,${glob}`);
    t.match(fault, { name: "DEVICE_PATHS", message: /^has "/ });
    t.ok(JSON.stringify(fault).includes(JSON.stringify(JSON.stringify(glob)).slice(1, -1)), "it is named");
  });
}

t.test("an empty environment, and wrong values", async (t) => {
  const faults = (env: Record<string, string>) => {
    const parsed = parseDiscoveryConfig(env);
    return parsed.ok ? [] : parsed.faults.map(({ name, message }) => `${name} ${message}`);
  };
  t.same(faults({}), ["NODE_NAME is required"]);
  t.same(faults({ ...minimal, DEV_ROOT: "dev", SYSFS_ROOT: "sys", CCID_READER_LIST: "x" }), [
    "SYSFS_ROOT must be an absolute path",
    "DEV_ROOT must be an absolute path",
    "CCID_READER_LIST must be an absolute path",
  ]);
  t.same(faults({ ...minimal, DEVICE_PATHS: "x,".repeat(33) }), [
    "DEVICE_PATHS must not have more than 32 globs",
  ]);
  t.match(faults({ ...minimal, LISTEN_HOST: "0.0.0.0" }), [
    /^LISTEN_HOST 0\.0\.0\.0 is beyond loopback, which needs TLS_CERT_FILE and TLS_KEY_FILE and READ_TOKEN_FILE or TLS_CLIENT_CA_FILE to be set$/,
  ]);
});
