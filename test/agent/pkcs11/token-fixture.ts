// SPDX-License-Identifier: Apache-2.0
// Sets up a token behind the module that misbehaves on demand, with a store or an agent process on it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Test } from "tap";
import { makeToken, type TestToken } from "../../../scripts/local/softhsm-token.ts";
import type { StartReason } from "../../../server/agent/pkcs11/parent/serving-child.ts";
import { createPkcs11Store, type Pkcs11StoreOptions } from "../../../server/agent/pkcs11/parent/store.ts";
import type { Health, SecretStore } from "../../../server/agent/store.ts";
import { compileCache } from "../../compile-cache.ts";
import { makeTestModule, type TestModule } from "../../doubles/pkcs11-module/build.ts";

export type Fixture = {
  token: TestToken;
  module: TestModule;
  /** A store on the token through the module; closed at the end of the test. */
  openStore(options?: StoreOptions): WatchedStore;
};

export type StoreOptions = Partial<Pick<Pkcs11StoreOptions, "operationTimeoutMs" | "refreshIntervalMs">> & {
  pkcs11?: Partial<Pkcs11StoreOptions["pkcs11"]>;
  /** Writes in the packed layout unless given; false for a store that is read-only. */
  writes?: Pkcs11StoreOptions["writes"] | false;
  /** The real SoftHSM2 instead of the module around it. */
  direct?: boolean;
};

export type WatchedStore = SecretStore & {
  /** Why children were started, in order. */
  starts: StartReason[];
  /** How often the token was listed. */
  loads: () => number;
  /** Resolves at the next report, after now, that fits. */
  healthIs(ready: boolean): Promise<Health>;
  nextLoad(): Promise<void>;
  /** The paths of cut writes that were completed or undone. */
  recovered: string[];
};

/** The environment of a child without what tap puts into it. */
const plainEnv = (): NodeJS.ProcessEnv => ({
  ...process.env,
  NODE_OPTIONS: "",
  NODE_COMPILE_CACHE: compileCache,
});

/** SoftHSM2 waits for the disk at every write; a file system in memory, where there is one, is ten times as fast. */
const MEMORY = "/dev/shm";

/** A token and the module around it in a directory of their own. Everything ends with the test. */
export const tokenFixture = async (t: Test): Promise<Fixture> => {
  const dir = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), "keyswitch-token-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  mkdirSync(join(dir, "hsm"));
  const token = await makeToken(join(dir, "hsm"));
  t.teardown(() => token.close());
  const module = makeTestModule(dir, token.module);
  return {
    token,
    module,
    openStore: (options = {}) => {
      const { label, pinFile } = token;
      const way = { label, pinFile, env: { ...token.env, ...module.env } };
      const store = watchedStore(
        { ...way, module: options.direct === true ? token.module : module.module },
        options,
      );
      t.teardown(() => store.close());
      return store;
    },
  };
};

/** How a store reaches a token. */
export type TokenWay = { module: string; label: string; pinFile: string; env: NodeJS.ProcessEnv };

/** A store that says what it does. Its caller closes it. */
export const watchedStore = (way: TokenWay, options: StoreOptions): WatchedStore => {
  const starts: StartReason[] = [];
  const waiting: { fits: (health: Health) => boolean; resolve: (health: Health) => void }[] = [];
  const loadWaiters: (() => void)[] = [];
  const recovered: string[] = [];
  let loads = 0;
  const store = createPkcs11Store({
    pkcs11: {
      module: way.module,
      tokenLabel: way.label,
      pinFile: way.pinFile,
      cache: "auto",
      ...options.pkcs11,
    },
    ...(options.writes !== false && { writes: options.writes ?? { layout: "packed" } }),
    recovered: (paths) => recovered.push(...paths),
    operationTimeoutMs: options.operationTimeoutMs ?? 20_000,
    refreshIntervalMs: options.refreshIntervalMs ?? 600_000,
    env: { ...plainEnv(), ...way.env },
    events: {
      childStarted: (reason) => starts.push(reason),
      loaded: () => {
        loads += 1;
        for (const resolve of loadWaiters.splice(0)) resolve();
      },
      health: (health) => {
        for (const waiter of waiting.filter(({ fits }) => fits(health))) {
          waiting.splice(waiting.indexOf(waiter), 1);
          waiter.resolve(health);
        }
      },
      capacity: () => undefined,
      queueLength: () => undefined,
    },
  });
  return Object.assign(store, {
    starts,
    recovered,
    loads: () => loads,
    healthIs: (ready: boolean) =>
      new Promise<Health>((resolve) => waiting.push({ fits: (health) => health.ready === ready, resolve })),
    nextLoad: () => new Promise<void>((resolve) => loadWaiters.push(resolve)),
  });
};

const Listening = Type.Object({ msg: Type.String({ pattern: "^Server listening at " }) });

export type AgentProcess = {
  url: string;
  process: ChildProcess;
  /** What it has logged so far, line by line. */
  log: string[];
  stop(): Promise<number | null>;
};

/** `main.ts agent` as a process of its own, listening on a free port of loopback. */
export const startAgent = async (
  t: Test,
  { token, module }: Pick<Fixture, "token" | "module">,
  settings: NodeJS.ProcessEnv = {},
): Promise<AgentProcess> =>
  startAgentOn(t, { ...token, module: module.module, env: { ...token.env, ...module.env } }, settings);

/** The same on any token. */
export const startAgentOn = async (
  t: Test,
  way: TokenWay,
  settings: NodeJS.ProcessEnv = {},
): Promise<AgentProcess> => {
  const entry = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));
  const agent = spawn(process.execPath, [entry, "agent"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...plainEnv(),
      ...way.env,
      LISTEN_PORT: "0",
      DEVICE_NAME: "hsm-a",
      NODE_NAME: "node-a",
      PKCS11_MODULE: way.module,
      PKCS11_TOKEN_LABEL: way.label,
      PKCS11_PIN_FILE: way.pinFile,
      ...settings,
    },
  });
  const stop = async (): Promise<number | null> => {
    if (agent.exitCode !== null || agent.signalCode !== null) return agent.exitCode;
    // Not "exit": what it said last comes after that.
    const closed = once(agent, "close");
    agent.kill("SIGTERM");
    const [code] = await closed;
    return typeof code === "number" ? code : null;
  };
  t.teardown(stop);
  const log: string[] = [];
  const lines = createInterface({ input: agent.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    agent.once("exit", () => reject(new Error("the agent ended before it listened")));
    lines.on("line", (line) => {
      log.push(line);
      const entryOf: unknown = JSON.parse(line);
      if (Value.Check(Listening, entryOf)) resolve(entryOf.msg.replace("Server listening at ", ""));
    });
  });
  return { url, process: agent, log, stop };
};
