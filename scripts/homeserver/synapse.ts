// SPDX-License-Identifier: Apache-2.0
// Runs a Synapse homeserver on loopback as a child process, with its data in a folder of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { request } from "undici";
import { ANSWER_LIMITS } from "../local/answer-limits.ts";
import { freePort } from "../local/free-port.ts";
import { removeWhenAbandoned } from "./abandoned-folder.ts";
import { homeserverFiles } from "./homeserver-config.ts";

export type HomeserverOptions = {
  /** The Debian root that Synapse runs in: see synapse-root.ts. */
  readonly root: string;
  /** Keys of homeserver.yaml that are added or replaced, such as jwt_config, oidc_providers, session_lifetime. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The domain in its users' ids. */
  readonly serverName?: string;
  /** A port of loopback; one that is free unless it is given. It stays the same over stop and start. */
  readonly port?: number;
  readonly logLevel?: "WARNING" | "INFO" | "DEBUG";
};

export type RegisteredUser = { readonly userId: string; readonly password: string };

export type Homeserver = {
  readonly baseUrl: string;
  readonly serverName: string;
  readonly port: number;
  /** What it prints, all its runs one after another. */
  readonly logFile: string;
  /** The id of the process, or undefined while it is stopped. */
  pid(): number | undefined;
  /** Makes a user without a device; a password is made up unless it is given. @throws Error where Synapse refuses */
  registerUser(name: string, options?: { password?: string; admin?: boolean }): Promise<RegisteredUser>;
  /** Calls Synapse's admin API, below `/_synapse/admin/`, as an administrator. */
  admin(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: object): Promise<AdminAnswer>;
  /** The ids of a user's devices. */
  devicesOf(userId: string): Promise<readonly string[]>;
  /** Ends the process and answers when it has gone; the data stays. @throws Error when it had to be killed for that */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again with its data, and answers when it serves. */
  start(): Promise<void>;
  /** Ends the process and removes its data. */
  remove(): Promise<void>;
};

type AdminAnswer = { readonly status: number; readonly body: unknown };

/** A database without users, as Synapse makes it, within a root: copying it is quicker than to make it again. */
export const EMPTY_DATABASE = "var/lib/keyswitch/empty-homeserver.db";

const SERVER_NAME = "keyswitch.test";
/** It takes a few seconds, and many on a machine that does much else. */
const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 60_000;
const POLL_MS = 10;

const Nonce = Type.Object({ nonce: Type.String() });
const Devices = Type.Object({ devices: Type.Array(Type.Object({ device_id: Type.String() })) });
const Registered = Type.Object({ user_id: Type.String(), access_token: Type.Optional(Type.String()) });

/** Where a homeserver is, and where its files are. */
type Place = {
  readonly root: string;
  readonly baseUrl: string;
  readonly folder: string;
  /** The folder as Synapse sees it. */
  readonly inside: string;
  readonly logFile: string;
};

/** The process of one homeserver, and the one after it. */
class SynapseProcess {
  readonly #place: Place;
  #child: ChildProcess | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  /** The id of the process, or undefined while there is none. */
  pid(): number | undefined {
    const child = this.#child;
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  /** Answers when it serves. @throws Error with the end of its log, when it does not */
  async start(): Promise<void> {
    const { root, inside, logFile, baseUrl } = this.#place;
    await this.stop();
    this.#child = spawnSynapse(root, `${inside}/homeserver.yaml`, logFile);
    try {
      await serving(this.#child, baseUrl);
    } catch (cause) {
      const log = readFileSync(logFile, "utf8").trim().split("\n").slice(-15).join("\n");
      throw new Error(`Synapse did not start. The end of its log:\n${log}`, { cause });
    }
  }

  /** Answers when it has gone. @throws Error when it had to be killed for that */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const running = this.#child;
    this.#child = undefined;
    if (running?.pid === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill(signal);
    let isKilled = false;
    const tooLong = setTimeout(() => {
      isKilled = running.kill("SIGKILL");
    }, STOP_LIMIT_MS);
    await ended;
    clearTimeout(tooLong);
    if (isKilled) throw new Error(`Synapse did not end within ${STOP_LIMIT_MS / 1000} s of ${signal}`);
  }
}

/** Calls Synapse's admin API, as an administrator that it registers when it is first needed. */
class SynapseAdmin {
  readonly #baseUrl: string;
  readonly #sharedSecret: string;
  #token: string | undefined;

  constructor(baseUrl: string, sharedSecret: string) {
    this.#baseUrl = baseUrl;
    this.#sharedSecret = sharedSecret;
  }

  /** https://element-hq.github.io/synapse/latest/admin_api/register_api.html */
  async register(
    username: string,
    password: string,
    { admin, logIn }: { admin: boolean; logIn: boolean },
  ): Promise<Static<typeof Registered>> {
    const url = `${this.#baseUrl}/_synapse/admin/v1/register`;
    const { nonce } = expect(Nonce, await call("GET", url));
    const mac = createHmac("sha1", this.#sharedSecret)
      .update([nonce, username, password, admin ? "admin" : "notadmin"].join("\0"))
      .digest("hex");
    const request = { nonce, username, password, admin, mac, inhibit_login: !logIn };
    return expect(Registered, await call("POST", url, request));
  }

  async call(...[method, path, body]: Parameters<Homeserver["admin"]>): Promise<AdminAnswer> {
    this.#token ??= await this.#logIn();
    return call(method, `${this.#baseUrl}/_synapse/admin/${path}`, body, this.#token);
  }

  async #logIn(): Promise<string | undefined> {
    const name = `admin-${randomBytes(4).toString("hex")}`;
    return (await this.register(name, newPassword(), { admin: true, logIn: true })).access_token;
  }
}

const newPassword = (): string => randomBytes(18).toString("base64url");

/** Writes all that Synapse needs into `folder`. */
const writeFiles = (place: Place, port: number, sharedSecret: string, options: HomeserverOptions): void => {
  const { serverName = SERVER_NAME, logLevel = "WARNING", config: extra = {} } = options;
  const { root, folder, inside } = place;
  const files = homeserverFiles({ folder: inside, port, serverName, sharedSecret, logLevel, extra });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const empty = join(root, EMPTY_DATABASE);
  if (existsSync(empty)) copyFileSync(empty, join(folder, "homeserver.db"));
};

/**
 * Starts a homeserver, which ends and is removed with this process however that ends.
 * @throws Error with the end of its log, when it does not start
 */
export const startSynapse = async (options: HomeserverOptions): Promise<Homeserver> => {
  const { root, serverName = SERVER_NAME } = options;
  const port = options.port ?? (await freePort());
  const baseUrl = `http://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(root, "var/tmp/keyswitch-homeserver-"));
  const guard = removeWhenAbandoned(folder);
  const inside = folder.slice(join(root, ".").length);
  const logFile = join(folder, "homeserver.log");
  const place = { root, baseUrl, folder, inside, logFile };
  const sharedSecret = randomBytes(24).toString("base64url");
  writeFiles(place, port, sharedSecret, options);

  const synapse = new SynapseProcess(place);
  const admin = new SynapseAdmin(baseUrl, sharedSecret);
  const remove = async () => {
    await synapse.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    guard.release();
  };
  try {
    await synapse.start();
  } catch (fault) {
    await remove();
    throw fault;
  }
  return {
    baseUrl,
    serverName,
    port,
    logFile,
    pid: () => synapse.pid(),
    registerUser: async (name, { password = newPassword(), admin: isAdmin = false } = {}) => {
      const { user_id: userId } = await admin.register(name, password, { admin: isAdmin, logIn: false });
      return { userId, password };
    },
    admin: (...request) => admin.call(...request),
    devicesOf: async (userId) => {
      const answer = await admin.call("GET", `v2/users/${encodeURIComponent(userId)}/devices`);
      return expect(Devices, answer).devices.map(({ device_id: id }) => id);
    },
    stop: (signal) => synapse.stop(signal),
    start: () => synapse.start(),
    remove,
  };
};

/**
 * `--pdeathsig` has the kernel kill Synapse when this process ends (prctl(2), PR_SET_PDEATHSIG). chroot and setpriv each
 * become the next program, so the child's id is Synapse's.
 */
const spawnSynapse = (root: string, configFile: string, logFile: string): ChildProcess => {
  const log = openSync(logFile, "a");
  try {
    return spawn(
      "chroot",
      [
        root,
        ...["/usr/bin/setpriv", "--pdeathsig", "KILL"],
        ...["/usr/bin/python3", "-m", "synapse.app.homeserver", "-c", configFile],
      ],
      // Nothing else of this process's environment: it may name files that the root has not.
      { stdio: ["ignore", log, log], env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } },
    );
  } finally {
    closeSync(log);
  }
};

/** Answers when the homeserver at `baseUrl` does. @throws Error when `child` ends before, or takes too long */
const serving = async (child: ChildProcess, baseUrl: string): Promise<void> => {
  const deadline = performance.now() + START_LIMIT_MS;
  let failure: unknown;
  child.once("error", (error) => {
    failure = error;
  });
  for (;;) {
    if (failure !== undefined) throw new Error("it could not be run", { cause: failure });
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    if (performance.now() > deadline) throw new Error("it took too long");
    try {
      const { statusCode, body } = await request(`${baseUrl}/health`, ANSWER_LIMITS);
      await body.dump();
      if (statusCode === 200) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(POLL_MS);
  }
};

const call = async (
  method: "GET" | "POST" | "PUT" | "DELETE",
  url: string,
  json?: object,
  accessToken?: string,
): Promise<AdminAnswer> => {
  const { statusCode, body } = await request(url, {
    ...ANSWER_LIMITS,
    method,
    headers: {
      ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  return { status: statusCode, body: await body.json() };
};

const expect = <T extends TSchema>(schema: T, { status, body }: AdminAnswer): Static<T> => {
  if (status === 200 && Value.Check(schema, body)) return body;
  // A good answer of another shape may hold a token.
  throw new Error(`Synapse answered with ${status}${status === 200 ? "" : `: ${JSON.stringify(body)}`}`);
};
