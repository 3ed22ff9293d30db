// SPDX-License-Identifier: Apache-2.0
// Builds the PKCS#11 module that misbehaves on demand, and controls it through a file.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let built: string | undefined;

/** Compiles the module, once in a process, and returns the path of the shared library. Needs a C compiler as `cc` or in CC. */
const buildTestModule = (): string => {
  built ??= compile();
  return built;
};

const compile = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-test-module-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const source = fileURLToPath(new URL("./module.c", import.meta.url));
  const library = join(dir, "keyswitch-test-module.so");
  const options = ["-std=c11", "-Wall", "-Wextra", "-O1", "-fPIC", "-shared", "-o", library, source, "-ldl"];
  execFileSync(process.env.CC ?? "cc", options, { stdio: ["ignore", "inherit", "inherit"] });
  return library;
};

export type TestModule = {
  /** The shared library: a value for PKCS11_MODULE. */
  module: string;
  env: { KEYSWITCH_TEST_TARGET: string; KEYSWITCH_TEST_CONTROL: string; KEYSWITCH_TEST_LOG: string };
  /** From the next call on, exactly these lines hold (see module.c); none: everything is forwarded. */
  control(...lines: string[]): void;
  /** How often `name` was called since the last `forgetCalls`, by all processes together. */
  calls(name: string): number;
  forgetCalls(): void;
  /** The functions that were called since the last `forgetCalls`, in order. */
  allCalls(): string[];
  /** What was concealed is found again. */
  reveal(): void;
};

/** The module in `dir`, forwarding to `target`. */
export const makeTestModule = (dir: string, target: string): TestModule => {
  const control = join(dir, "control");
  const log = join(dir, "calls");
  writeFileSync(control, "");
  return {
    module: buildTestModule(),
    env: { KEYSWITCH_TEST_TARGET: target, KEYSWITCH_TEST_CONTROL: control, KEYSWITCH_TEST_LOG: log },
    control: (...lines) => {
      for (const name of readdirSync(dirname(control))) {
        if (name.startsWith(`${basename(control)}.used.`)) rmSync(join(dir, name));
      }
      writeFileSync(`${control}.new`, `${lines.join("\n")}\n`);
      renameSync(`${control}.new`, control);
    },
    calls: (name) =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line === name).length
        : 0,
    forgetCalls: () => writeFileSync(log, ""),
    allCalls: () => readFileSync(log, "utf8").split("\n").slice(0, -1),
    reveal: () => rmSync(`${control}.concealed`, { force: true }),
  };
};
