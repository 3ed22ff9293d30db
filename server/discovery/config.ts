// SPDX-License-Identifier: Apache-2.0
// Parses the configuration of discovery from its environment variables.
import {
  checkExposure,
  type ListenerConfig,
  listenerVariables,
  readListener,
  readTokenPath,
} from "../config/listener.ts";
import { file, pattern, text, type ValuesOf } from "../config/variable-table.ts";
import {
  type ConfigResult,
  complete,
  deepFreeze,
  type Environment,
  readVariables,
  type VariableReader,
} from "../config/variables.ts";

/** Names below /dev with `*`, `?` and `[…]` in them. */
const GLOB_SEGMENT = /^[\w.:@+=*?[\]^-]{1,255}$/;
const MAX_GLOBS = 32;
const MAX_STARS = 3;
/** How the node's own paths begin, wherever its /dev is mounted. */
const NODE_DEV = "/dev/";

/** Where Debian's libccid keeps its Info.plist; the second is a link to the first, or the file itself elsewhere. */
const READER_LISTS = ["/etc/libccid_Info.plist", "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist"];

/** A unix socket's path has 107 bytes at most (unix(7)), of which its name in the folder takes 34. */
const MAX_PLUGIN_FOLDER = 73;

const absolutePath = (notes: { description: string; default?: string }) =>
  pattern({ pattern: "^/" }, "an absolute path", notes);

/** The variables of discovery. */
export const DISCOVERY_VARIABLES = {
  ...listenerVariables(8446),
  READ_TOKEN_FILE: file({ description: "tokens that may read" }),
  NODE_NAME: pattern(
    { pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", maxLength: 253 },
    "a Kubernetes name such as node-a",
    { required: true, description: "name of this node" },
  ),
  SYSFS_ROOT: absolutePath({ default: "/sys", description: "where the node's sysfs is mounted" }),
  DEV_ROOT: absolutePath({
    default: "/dev",
    description: "where the node's /dev is mounted; read where `DEVICE_PATHS` is set",
  }),
  DEVICE_PATHS: text({
    description: `up to ${MAX_GLOBS} globs below /dev with \`*\`, \`?\` and \`[ranges]\`, comma-separated, such as \`ttyACM*,/dev/serial/by-id/usb-Pico*\`: files that are reported with their permissions`,
  }),
  DEVICE_PLUGIN_DIR: pattern(
    { pattern: "^/", maxLength: MAX_PLUGIN_FOLDER },
    `an absolute path of ${MAX_PLUGIN_FOLDER} characters at most`,
    {
      description:
        "the kubelet's folder of device plugins, `/var/lib/kubelet/device-plugins`: each HSM is offered there as a [resource](discovery.md#device-plugin). Unset: none is, and agents of HSMDevices have a privileged pcscd",
    },
  ),
  CCID_READER_LIST: absolutePath({
    description: `libccid's Info.plist, which names the readers that it drives; unset: ${READER_LISTS.map((path) => `\`${path}\``).join(", else ")}. A missing or broken one is a warning`,
  }),
};
type DiscoveryReader = VariableReader<ValuesOf<typeof DISCOVERY_VARIABLES>>;

export type DiscoveryConfig = ListenerConfig & {
  readTokenFile?: string;
  nodeName: string;
  sysfsRoot: string;
  devRoot: string;
  /** Globs below `devRoot`, as segments. */
  devicePaths: readonly (readonly string[])[];
  /** Where the kubelet looks for device plugins; absent: discovery is none. */
  devicePluginDir?: string;
  /** The first of these files that is there is read. */
  readerLists: readonly string[];
};

/** The configuration, frozen, or every fault of it. */
export const parseDiscoveryConfig = (env: Environment): ConfigResult<DiscoveryConfig> => {
  const reader = readVariables(env, DISCOVERY_VARIABLES);
  const listener = readListener(reader);
  const readTokenFile = readTokenPath(reader, "READ_TOKEN_FILE");
  checkExposure(reader, listener, ["READ_TOKEN_FILE"], reader.isSet("READ_TOKEN_FILE"));
  const needed = complete({
    nodeName: reader.value("NODE_NAME"),
    sysfsRoot: reader.value("SYSFS_ROOT"),
    devRoot: reader.value("DEV_ROOT"),
  });
  const readerList = reader.value("CCID_READER_LIST");
  const devicePaths = readDevicePaths(reader);
  const devicePluginDir = reader.value("DEVICE_PLUGIN_DIR");
  if (needed === undefined || reader.faults.length > 0) return { ok: false, faults: reader.faults };
  const config: DiscoveryConfig = {
    ...listener,
    ...(readTokenFile !== undefined && { readTokenFile }),
    ...needed,
    devicePaths,
    ...(devicePluginDir !== undefined && { devicePluginDir }),
    readerLists: readerList === undefined ? READER_LISTS : [readerList],
  };
  return { ok: true, config: deepFreeze(config) };
};

const readDevicePaths = (reader: DiscoveryReader): string[][] => {
  const devRoot = reader.raw("DEV_ROOT");
  const globs = (reader.value("DEVICE_PATHS") ?? "").split(",").flatMap((one) => one.trim() || []);
  if (globs.length > MAX_GLOBS) reader.fault("DEVICE_PATHS", `must not have more than ${MAX_GLOBS} globs`);
  return globs.map((glob) => {
    const segments = belowDev(glob, devRoot).split("/");
    if (!segments.every(isSegment)) {
      reader.fault(
        "DEVICE_PATHS",
        `has ${JSON.stringify(glob)}, which is no glob below /dev of letters, digits, "_", ".", ":", "@", "+", "=", "-", "*", "?" and [ranges], without "." or ".." or "**", and with ${MAX_STARS} "*" at most between two slashes`,
      );
    }
    return segments;
  });
};

/** The glob relative to the node's /dev, however it was written. */
const belowDev = (glob: string, devRoot: string | undefined): string => {
  const prefix = [`${devRoot?.replace(/\/+$/, "")}/`, NODE_DEV].find((one) => glob.startsWith(one));
  return prefix === undefined ? glob : glob.slice(prefix.length);
};

const isSegment = (segment: string): boolean =>
  GLOB_SEGMENT.test(segment) &&
  segment !== "." &&
  segment !== ".." &&
  !segment.includes("**") &&
  !isSlow(segment);

/** Node matches by a backtracking regular expression: each star more multiplies the time that a long name of a device takes. */
const isSlow = (segment: string): boolean => segment.split("*").length - 1 > MAX_STARS;
