// SPDX-License-Identifier: Apache-2.0
// Sets up SoftHSM2 without any token behind the module that misbehaves on demand, for agents that may provision one.
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { softhsmModule } from "../../../scripts/system-packages.ts";
import { makeTestModule, type TestModule } from "../../doubles/pkcs11-module/build.ts";
import { type StoreOptions, type TokenWay, type WatchedStore, watchedStore } from "./token-fixture.ts";

export type BlankFixture = {
  module: TestModule;
  way: TokenWay;
  pin: string;
  soPinFile: string;
  /** The SO PIN that was handed over. */
  soPin(): string;
  /** Tokens on the disk: none while SoftHSM2's slot is blank. */
  tokens(): number;
  /** A store that may provision, closed at the end of the test. */
  openStore(options?: StoreOptions): WatchedStore;
  /** The lines that pkcs11-tool prints, with the SO PIN of the file and the user PIN in its environment. */
  pkcs11Tool(...args: string[]): Promise<string>;
};

const run = promisify(execFile);

/** A blank slot of its own, and a PIN. Everything ends with the test. */
export const blankFixture = (t: Test): BlankFixture => {
  const target = softhsmModule();
  if (target === undefined) throw new Error("SoftHSM2 is not installed (package softhsm2)");
  const dir = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "keyswitch-blank-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const tokens = join(dir, "tokens");
  mkdirSync(tokens);
  const configuration = join(dir, "softhsm2.conf");
  writeFileSync(configuration, `directories.tokendir = ${tokens}\nlog.level = ERROR\n`);
  const pin = String(randomInt(10_000_000, 99_999_999));
  const pinFile = join(dir, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  const module = makeTestModule(dir, target);
  const env = { SOFTHSM2_CONF: configuration, ...module.env };
  const soPinFile = join(dir, "so-pin");
  const way = { module: module.module, label: "keyswitch", pinFile, env };
  const soPin = () => readFileSync(soPinFile, "utf8").trim();
  return {
    module,
    way,
    pin,
    soPinFile,
    soPin,
    tokens: () => readdirSync(tokens).length,
    openStore: (options = {}) => {
      const pkcs11 = { provision: { soPinFile }, ...options.pkcs11 };
      const store = watchedStore(way, { ...options, pkcs11 });
      t.teardown(() => store.close());
      return store;
    },
    pkcs11Tool: async (...args) => {
      const { stdout } = await run("pkcs11-tool", ["--module", target, ...args], {
        env: { ...process.env, ...env, SO_PIN: soPin(), PIN: pin },
      });
      return stdout;
    },
  };
};

/** Resolves once the store's health is as wanted; asks for the token meanwhile, so that the agent does not rest. */
export const healthOf = async (
  store: WatchedStore,
  wanted: "ready" | RegExp,
): Promise<string | undefined> => {
  const said = (): string | undefined => {
    const health = store.health();
    return health.ready ? undefined : `${health.code} ${health.message}`;
  };
  await eventually(
    `the health is ${wanted}`,
    async () => {
      await store.info();
      const is = said();
      return wanted === "ready" ? is === undefined : is !== undefined && wanted.test(is);
    },
    { seconds: 60, seen: () => said() ?? "ready" },
  );
  return said();
};
