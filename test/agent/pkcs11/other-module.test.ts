// SPDX-License-Identifier: Apache-2.0
// Tests the agent on a PKCS#11 module that is neither SoftHSM2 nor OpenSC: tpm2-pkcs11, on a software TPM.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { freePort } from "../../../scripts/local/free-port.ts";
import { someKeys } from "./kill-points.ts";
import { type StoreOptions, type WatchedStore, watchedStore } from "./token-fixture.ts";

t.setTimeout(590_000);

const PATH = "secrets/shop/db";

type TpmFixture = {
  openStore(options?: StoreOptions): WatchedStore;
  /** Runs pkcs11-tool, logged in. */
  tool(...args: string[]): void;
  pinFile: string;
};

const tpmModule = (): string => {
  const [found] = globSync("/usr/lib/*/libtpm2_pkcs11.so.1");
  if (found === undefined) throw new Error("tpm2-pkcs11 is not installed (package libtpm2-pkcs11-1)");
  return found;
};

/** Undefined where the driver of the TPM ended, because one of its ports was taken meanwhile. */
const listeningTpm = async (dir: string, port: number): Promise<ChildProcess | undefined> => {
  const control = port + 1; // where the module's driver looks for it
  const address = (one: number): string => `type=tcp,port=${one},bindaddr=127.0.0.1`;
  const tpm: ChildProcess = spawn(
    "swtpm",
    [
      ["socket", "--tpm2", "--flags", "startup-clear", "--tpmstate", `dir=${join(dir, "state")}`],
      ["--server", address(port), "--ctrl", address(control)],
    ].flat(),
    { stdio: "ignore" },
  );
  await eventually(
    "swtpm listens, or ends",
    async () => tpm.exitCode !== null || (await isListening(control)),
  );
  return tpm.exitCode === null ? tpm : undefined;
};

/** A TPM that listens on loopback. */
const startTpm = async (t: Test, dir: string): Promise<string> => {
  mkdirSync(join(dir, "state"));
  for (let tries = 1; tries <= 20; tries += 1) {
    const port = await freePort();
    // A port that a connection has just left is free to nobody who does not ask for it with SO_REUSEADDR.
    const tpm = await listeningTpm(dir, port);
    if (tpm === undefined) continue;
    t.teardown(async () => {
      if (tpm.exitCode !== null) return;
      tpm.kill("SIGKILL");
      await once(tpm, "exit");
    });
    return `swtpm:host=127.0.0.1,port=${port}`;
  }
  throw new Error("swtpm found no two free ports in a row");
};

const isListening = async (port: number): Promise<boolean> => {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

const tpmFixture = async (t: Test): Promise<TpmFixture> => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-tpm-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, "store"));
  const env = {
    TPM2_PKCS11_TCTI: await startTpm(t, dir),
    TPM2_PKCS11_STORE: join(dir, "store"),
    TPM2_PKCS11_BACKEND: "esysdb",
    TSS2_LOG: "all+none",
  };
  const module = tpmModule();
  const [pin, soPin] = [randomBytes(6).toString("hex"), randomBytes(6).toString("hex")];
  const pinFile = join(dir, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  const run = (...args: string[]): void => {
    const pins = { PIN: pin, SO_PIN: soPin };
    execFileSync("pkcs11-tool", ["--module", module, ...args], {
      env: { ...process.env, ...env, ...pins },
      stdio: "ignore",
    });
  };
  await eventually("the TPM answers", async () => {
    try {
      run("--init-token", "--slot-index", "0", "--label", "tpm", "--so-pin", "env:SO_PIN");
      return true;
    } catch {
      return false;
    }
  });
  const so = ["--login", "--login-type", "so", "--so-pin", "env:SO_PIN"];
  run("--token-label", "tpm", ...so, "--init-pin", "--new-pin", "env:PIN");
  return {
    pinFile,
    tool: (...args) => run("--token-label", "tpm", "--login", "--pin", "env:PIN", ...args),
    openStore: (options = {}) => {
      const store = watchedStore({ module, label: "tpm", pinFile, env }, options);
      t.teardown(() => store.close());
      return store;
    },
  };
};

const sumAt = async (store: WatchedStore, path: string): Promise<string> => {
  const read = await store.read(path);
  return read.kind === "found" ? read.checksum : read.kind === "unavailable" ? read.code : read.kind;
};

// No more writes than these: a TPM without a resource manager keeps what a process that was killed has loaded, and takes three.
for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: what is written is confirmed by a process that loads anew, and read`, async (t) => {
    const { openStore } = await tpmFixture(t);
    const store = openStore({ writes: { layout, ...(layout === "packed" && { maxObjectBytes: 512 }) } });
    const data = someKeys(["a", "b"], layout === "packed" ? 900 : 300);
    t.match(await store.change(PATH, { type: "put", data }), { kind: "written", outcome: "created" });
    t.same(store.starts, ["start", "refresh"]);
    t.equal(await sumAt(store, PATH), checksum(data));
    t.equal(await sumAt(store, "secrets/shop/other"), "absent");
    t.match(await store.list(""), { secrets: [{ path: PATH, keys: ["a", "b"], layout }], invalid: [] });
    const objects = layout === "packed" ? 6 : 3;
    t.match(await store.info(), { cache: "cached", objects, unreadableObjects: 0, damagedNames: 0 });
  });
}

t.test("what another process writes, and a wrong PIN", async (t) => {
  const { openStore, tool, pinFile } = await tpmFixture(t);
  const store = openStore();
  t.equal(await sumAt(store, PATH), "absent");
  const names = ["--type", "data", "--private", "--application-label", "hsm-secrets-operator"];
  tool("--write-object", pinFile, ...names, "--label", `${PATH}/key`);
  await store.refresh();
  t.not(await sumAt(store, PATH), "absent");
  await store.close();
  writeFileSync(pinFile, "wrong-pin\n");
  const refused = openStore();
  t.equal(await sumAt(refused, PATH), "PIN_INCORRECT");
});

t.test("a dozen secrets", async (t) => {
  const { openStore, tool, pinFile } = await tpmFixture(t);
  const names = ["--type", "data", "--private", "--application-label", "hsm-secrets-operator"];
  for (let n = 0; n < 12; n += 1) {
    tool("--write-object", pinFile, ...names, "--label", `secrets/many/s${n}/key`);
  }
  const store = openStore();
  const list = await store.list("secrets/many/");
  t.equal(list.kind === "listed" && list.secrets.length, 12);
});
