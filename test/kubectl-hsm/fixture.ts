// SPDX-License-Identifier: Apache-2.0
// Runs kubectl-hsm as its users do: the real process, against a real agent over HTTP.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { Registry } from "prom-client";
import { createMemoryStore, type MemoryStore } from "../../scripts/local/memory-store.ts";
import { bearerTokenFiles, buildAgentApp } from "../../server/agent/app.ts";
import type { SecretStore } from "../../server/agent/store.ts";
import { compileCache } from "../compile-cache.ts";

/** The program under test. */
export const ENTRY = fileURLToPath(new URL("../../server/kubectl-hsm.ts", import.meta.url));

type Teardown = { teardown: (end: () => unknown) => void };

export type Ran = { code: number | null; stdout: string; bytes: Buffer; stderr: string };

export type RunOptions = {
  input?: string | Uint8Array;
  env?: Record<string, string>;
  cwd?: string;
  /** Told as soon as the process runs. */
  onSpawn?: (child: { pid?: number | undefined; kill(signal: NodeJS.Signals): boolean }) => void;
};

/** A secret of this run, of 24 characters. As an argument it would be an option if it began with a dash. */
export const madeUp = (): string => randomBytes(18).toString("base64url").replace(/^-/, "_");

export const temporaryFolder = (t: Teardown): string => {
  const folder = mkdtempSync(join(tmpdir(), "kubectl-hsm-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
};

/** Nothing of the user's, and no terminal. */
export const run = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
  const { PATH = "", HOME = "/" } = process.env;
  const child = spawn(process.execPath, [ENTRY, ...args], {
    cwd: options.cwd,
    env: { PATH, HOME, KUBECONFIG: "/dev/null", NODE_COMPILE_CACHE: compileCache, ...options.env },
    // In a session of its own: then there is no terminal that it could ask at.
    detached: true,
    stdio: "pipe",
  });
  options.onSpawn?.(child);
  const out: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const [code]: unknown[] = await once(child, "close");
  const bytes = Buffer.concat(out);
  return { code: typeof code === "number" ? code : null, stdout: bytes.toString("utf8"), bytes, stderr };
};

type SeenRequest = { method: string; url: string; ifMatch: string | undefined; body: unknown };

export type RunningAgent = {
  store: MemoryStore;
  url: string;
  pin: string;
  /** Variables with which kubectl-hsm finds it and may write. */
  env: Record<string, string>;
  readTokenFile: string;
  writeTokenFile: string;
  /** Every request so far. */
  seen: SeenRequest[];
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
};

export type AgentOptions = {
  /** In place of the memory store: the same tests then run over another kind of token. */
  over?: (store: MemoryStore) => SecretStore;
  /** Done with each request before it is worked on. */
  before?: (request: SeenRequest) => void;
  readOnly?: boolean;
  sysfsRoot?: string;
  tls?: { certFile: string; keyFile: string };
  tokens?: { read: string; write: string };
};

/** An agent on loopback with both tokens, over memory. */
export const startAgent = async (t: Teardown, options: AgentOptions = {}): Promise<RunningAgent> => {
  const folder = temporaryFolder(t);
  const tokens = options.tokens ?? { read: madeUp(), write: madeUp() };
  const readTokenFile = join(folder, "read");
  const writeTokenFile = join(folder, "write");
  writeFileSync(readTokenFile, tokens.read);
  writeFileSync(writeTokenFile, `# a comment\nada:${tokens.write}\n`);
  const pin = madeUp();
  const store = createMemoryStore("token-a", { pin });
  const app = buildAgentApp({
    store: options.over?.(store) ?? store,
    logger: pino({ level: "silent" }),
    registry: new Registry(),
    auth: {
      tokenFiles: bearerTokenFiles({ readTokenFile, ...(!options.readOnly && { writeTokenFile }) }),
      clientCertificates: false,
      loopback: true,
    },
    device: "hsm-a",
    node: "node-a",
    ...(options.sysfsRoot && { sysfsRoot: options.sysfsRoot }),
    ...(options.tls && { tls: options.tls }),
  });
  const seen: SeenRequest[] = [];
  app.addHook("preHandler", async (request) => {
    const { "if-match": ifMatch } = request.headers;
    const one = { method: request.method, url: request.url, ifMatch, body: request.body };
    seen.push(one);
    options.before?.(one);
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  t.teardown(async () => {
    await app.close();
    await store.close();
  });
  const env = { KEYSWITCH_SERVER: url, KEYSWITCH_TOKEN_FILE: writeTokenFile };
  return {
    store,
    url,
    pin,
    env,
    readTokenFile,
    writeTokenFile,
    seen,
    run: (args, { env: more, ...rest } = {}) => run(args, { env: { ...env, ...more }, ...rest }),
  };
};

/** A value of the store as text. */
export const valueAt = async (store: SecretStore, path: string, key: string): Promise<string | undefined> => {
  const secret = await store.read(path);
  const value = secret.kind === "found" ? secret.data.get(key) : undefined;
  return value && Buffer.from(value).toString("utf8");
};

/** The environment of a program on a terminal of its own. */
export const terminalEnv = ({ env }: Pick<RunningAgent, "env">): Record<string, string> => {
  const { PATH = "", HOME = "/" } = process.env;
  return { PATH, HOME, TERM: "xterm", KUBECONFIG: "/dev/null", NODE_COMPILE_CACHE: compileCache, ...env };
};
