// SPDX-License-Identifier: Apache-2.0
// Creates the Debian root that Synapse runs in, once for a machine: a current Synapse is packaged in Debian unstable alone.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DEBOOTSTRAP, provide } from "../system-packages.ts";
import { removeWhenAbandoned } from "./abandoned-folder.ts";
import { type AptConfiguration, aptProxy, debianMirror, fetchSettings } from "./debian-mirror.ts";
import { EMPTY_DATABASE, startSynapse } from "./synapse.ts";

/** A root that is ready, or why there is none, in a line. */
export type SynapseRoot =
  | { readonly kind: "ready"; readonly root: string; readonly version: string }
  | { readonly kind: "unavailable"; readonly why: string };

/** To be raised when what is put into a root changes. It is in the folder's name, so that clones of different ages agree. */
const RECIPE = 1;
const PACKAGES = ["matrix-synapse", "python3-authlib"];
/** What a finished root says about itself: the version of Synapse. */
const MARKER = "var/lib/keyswitch/synapse-version";
const STEP_LIMIT_MS = 10 * 60_000;
/** A folder that a build left behind this long ago has no builder any more. */
const LEFT_BEHIND_MS = 3 * 60 * 60_000;

/** Where the root of this machine is, shared by all clones of the project. */
const synapseRootFolder = (): string =>
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "keyswitch", `synapse-sid-${RECIPE}`);

const unavailable = (why: string): SynapseRoot => ({ kind: "unavailable", why });

/** Looks whether a root is there that this process can use; makes none. */
export const findSynapseRoot = (folder: string = synapseRootFolder()): SynapseRoot => {
  if (process.platform !== "linux") return unavailable("Synapse is run on Linux alone.");
  if (process.getuid?.() !== 0) return unavailable("Running Synapse in its root needs the user root.");
  const marker = join(folder, MARKER);
  if (!existsSync(marker)) {
    return unavailable("There is no Synapse on this machine; the start of `npm test` says why.");
  }
  return { kind: "ready", root: folder, version: readFileSync(marker, "utf8").trim() };
};

/**
 * Makes the root unless it is there. It is built beside its place and renamed when Synapse has run in it, so what
 * `findSynapseRoot` finds is whole; of two builders at once the later one's work is thrown away. Takes one to two minutes.
 */
export const prepareSynapseRoot = async (
  say: (line: string) => void,
  folder: string = synapseRootFolder(),
): Promise<SynapseRoot> => {
  const found = findSynapseRoot(folder);
  if (found.kind === "ready" || process.platform !== "linux" || process.getuid?.() !== 0) return found;
  const missing = provide(DEBOOTSTRAP, say);
  if (missing.length > 0) return unavailable("debootstrap is missing, and can't be installed here.");
  say("Installing Synapse for the tests, once for this machine; it takes a minute or two...");
  mkdirSync(dirname(folder), { recursive: true });
  removeLeftBehind(folder);
  const beside = mkdtempSync(`${folder}.building-`);
  const guard = removeWhenAbandoned(beside);
  const log = `${beside}.log`;
  try {
    const fault = await build(beside, log);
    if (fault !== undefined) {
      renameSync(log, `${folder}.log`);
      return unavailable(`${fault} Its log, ${folder}.log, ends with: ${lastLine(`${folder}.log`)}`);
    }
    try {
      renameSync(beside, folder);
    } catch (error) {
      // Another builder was quicker.
      if (!existsSync(join(folder, MARKER))) throw error;
    }
    return findSynapseRoot(folder);
  } finally {
    rmSync(beside, { recursive: true, force: true });
    rmSync(log, { force: true });
    guard.release();
  }
};

const removeLeftBehind = (folder: string): void => {
  const parent = dirname(folder);
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(`${basename(folder)}.building-`)) continue;
    const path = join(parent, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > LEFT_BEHIND_MS) rmSync(path, { recursive: true, force: true });
  }
};

/** Builds the root in `folder`; answers with what failed, or undefined. */
const build = async (folder: string, log: string): Promise<string | undefined> => {
  const apt = machineConfiguration();
  const proxies = Object.fromEntries(
    (["http", "https"] as const).flatMap((scheme) => {
      const proxy = aptProxy(apt, scheme) ?? process.env[`${scheme}_proxy`];
      return proxy === undefined ? [] : [[`${scheme}_proxy`, proxy]];
    }),
  );
  const mirror = debianMirror(apt);
  const bootstrap = ["--variant=minbase", "sid", folder, ...(mirror === undefined ? [] : [mirror])];
  if (!(await run(log, { ...process.env, ...proxies }, "debootstrap", bootstrap))) {
    return "debootstrap failed.";
  }

  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text, { mode });
  };
  put("etc/apt/apt.conf.d/90machine", `${fetchSettings(apt)}\n`);
  // An archive that is mirrored seldom is good enough for tests.
  put(
    "etc/apt/apt.conf.d/91keyswitch",
    'Acquire::Check-Valid-Until "false";\nAPT::Install-Recommends "false";\n',
  );
  // A root that is cut off by a crash is never used, so nothing needs to be flushed; nobody reads manuals in it.
  put(
    "etc/dpkg/dpkg.cfg.d/keyswitch",
    "force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n",
  );
  // A package's service must not be started: it would run on this machine. (invoke-rc.d's policy: 101 is "forbidden".)
  put("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
  for (const file of ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"]) {
    if (existsSync(file)) put(file, readFileSync(file, "utf8"));
  }
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    DEBIAN_FRONTEND: "noninteractive",
    ...proxies,
  };
  const inRoot = (...command: string[]) => run(log, env, "chroot", [folder, ...command]);
  if (!(await inRoot("apt-get", "update", "-q"))) return "The package lists could not be read.";
  if (!(await inRoot("apt-get", "install", "-y", "-q", ...PACKAGES))) {
    return "Synapse could not be installed.";
  }
  await inRoot("apt-get", "clean");
  rmSync(join(folder, "var/lib/apt/lists"), { recursive: true, force: true });

  mkdirSync(join(folder, dirname(EMPTY_DATABASE)), { recursive: true });
  try {
    const homeserver = await startSynapse({ root: folder });
    await homeserver.stop();
    copyFileSync(join(dirname(homeserver.logFile), "homeserver.db"), join(folder, EMPTY_DATABASE));
    await homeserver.remove();
  } catch (error) {
    appendFileSync(log, `${error instanceof Error ? error.message : error}\n`);
    return "Synapse could not be run.";
  }
  const version = `dpkg-query --show --showformat='\${Version}' matrix-synapse`;
  return (await inRoot("sh", "-c", `${version} > /${MARKER}`))
    ? undefined
    : "Synapse's version is not known.";
};

/** Runs a program, its output behind what is in `log`; answers whether it succeeded. */
const run = async (
  log: string,
  env: NodeJS.ProcessEnv,
  program: string,
  args: readonly string[],
): Promise<boolean> => {
  const output = openSync(log, "a");
  try {
    const child = spawn(program, args, { stdio: ["ignore", output, output], env, timeout: STEP_LIMIT_MS });
    const [status] = await once(child, "exit");
    return status === 0;
  } catch {
    // It could not be started.
    return false;
  } finally {
    closeSync(output);
  }
};

const lastLine = (log: string): string => readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "";

const machineConfiguration = (): AptConfiguration => {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
  const inFolder = (suffix: string) => {
    const folder = "/etc/apt/sources.list.d";
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(suffix)) : [];
    return names.sort().map((name) => read(join(folder, name)));
  };
  const dump = spawnSync("apt-config", ["dump"], { encoding: "utf8" }).stdout ?? "";
  return {
    osRelease: read("/etc/os-release"),
    lists: [read("/etc/apt/sources.list"), ...inFolder(".list")],
    sources: inFolder(".sources"),
    dump,
  };
};
