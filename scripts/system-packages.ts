// SPDX-License-Identifier: Apache-2.0
// Finds the system's programs and libraries that the local run and the tests need, and installs them from Debian packages where
// this process may.
import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where distributions put SoftHSM2's module. */
const SOFTHSM_MODULES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/** The path of SoftHSM2's PKCS#11 module, or undefined where it is not installed. */
export const softhsmModule = (): string | undefined => SOFTHSM_MODULES.find((path) => existsSync(path));

/** Whether `program` is on PATH. */
export const hasProgram = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** A thing of the system, how to see that it is there, and Debian's package that has it. */
export interface Requirement {
  readonly name: string;
  readonly debian: string;
  readonly present: () => boolean;
}

export const SOFTHSM: Requirement = {
  name: "SoftHSM2",
  debian: "softhsm2",
  present: () => softhsmModule() !== undefined && hasProgram("softhsm2-util"),
};

const program = (name: string, debian: string): Requirement => ({
  name,
  debian,
  present: () => hasProgram(name),
});

/** What a virtual smart card in its reader needs. */
export const SMART_CARD: readonly Requirement[] = [
  program("pkcs11-tool", "opensc"),
  program("pcscd", "pcscd"),
  {
    name: "the virtual smart card reader",
    debian: "vsmartcard-vpcd",
    present: () => existsSync("/usr/lib/pcsc/drivers/serial/libifdvpcd.so"),
  },
  program("socat", "socat"),
  program("ip", "iproute2"),
  program("unshare", "util-linux"),
];

/** What the tests need beside SoftHSM2. */
export const TEST_PROGRAMS: readonly Requirement[] = [
  program("openssl", "openssl"),
  program("gcc", "gcc"),
  ...SMART_CARD,
  program("swtpm", "swtpm"),
  {
    name: "the driver of a TPM in software",
    debian: "libtss2-tcti-swtpm0",
    present: () => globSync("/usr/lib/*/libtss2-tcti-swtpm.so.0").length > 0,
  },
  {
    name: "tpm2-pkcs11",
    debian: "libtpm2-pkcs11-1",
    present: () => globSync("/usr/lib/*/libtpm2_pkcs11.so.1").length > 0,
  },
  program("p11-kit", "p11-kit"),
  {
    name: "p11-kit's client module",
    debian: "p11-kit-modules",
    present: () => globSync("/usr/lib/*/pkcs11/p11-kit-client.so").length > 0,
  },
  program("kubectl", "kubernetes-client"),
  program("age", "age"),
  program("python3", "python3"),
  // The language of Argo CD's health checks, in the version that it runs.
  program("lua5.1", "lua5.1"),
];

/** Where Debian's package puts the keys that its archive is signed with; debootstrap reads them. */
const DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** What makes a root of Debian's packages in a folder. */
export const DEBOOTSTRAP: readonly Requirement[] = [
  program("debootstrap", "debootstrap"),
  { name: "Debian's keys", debian: "debian-archive-keyring", present: () => existsSync(DEBIAN_KEYS) },
];

/**
 * Installs what is missing of `requirements`, if this process is root and there is an apt-get. Answers with what is
 * still missing afterwards. `say` is told what is being done.
 */
export const provide = (
  requirements: readonly Requirement[],
  say: (line: string) => void,
): readonly Requirement[] => {
  const missing = requirements.filter(({ present }) => !present());
  if (missing.length === 0 || process.getuid?.() !== 0 || !hasProgram("apt-get")) return missing;
  say(`Installing ${missing.map(({ name }) => name).join(", ")}...`);
  const apt = (...args: string[]) =>
    spawnSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    }).status === 0;
  apt("update", "-qq");
  apt("install", "-y", "-qq", "--no-install-recommends", ...missing.map(({ debian }) => debian));
  return missing.filter(({ present }) => !present());
};

/**
 * Installs what all of Keyswitch on this machine needs, as `provide` does. Without SoftHSM2 a token in memory does, so that it is not
 * among what is still missing.
 */
export const provideForStack = (say: (line: string) => void): readonly Requirement[] => {
  const programs = TEST_PROGRAMS.filter(({ name }) => name === "openssl" || name === "kubectl");
  return provide([SOFTHSM, ...programs], say).filter((requirement) => requirement !== SOFTHSM);
};
