// SPDX-License-Identifier: Apache-2.0
// Creates a SoftHSM2 token for the local run, the benchmark or a test, and writes to it from another process.
import { execFileSync, fork } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { encodePacked } from "../../server/agent/storage/packed.ts";
import { METADATA_SEGMENT, PACKED_APPLICATION } from "../../server/agent/storage/path.ts";
import { encodePerKey, type Metadata } from "../../server/agent/storage/per-key.ts";
import { softhsmModule } from "../system-packages.ts";
import type { WriteRequest } from "./softhsm-writer.ts";

type Keys = Readonly<Record<string, Uint8Array | string>>;

/** An object exactly as given; its application is the label unless given, as pkcs11-tool does it. */
export type PutObject = {
  label: string | Uint8Array;
  application?: string;
  value: Uint8Array;
  isPublic?: boolean;
};

export type TestToken = {
  /** What a process needs in its environment to see this token. */
  env: { SOFTHSM2_CONF: string };
  module: string;
  label: string;
  pin: string;
  pinFile: string;
  /** Makes the secret at `path` exactly `keys`, one object each; metadata where given. */
  putPerKey(path: string, keys: Keys, metadata?: Metadata): Promise<void>;
  /** Makes a packed secret beside what is there; with `replace` (default) the older objects of the label go first. */
  putPacked(
    path: string,
    keys: Keys,
    options?: { version?: number; metadata?: Metadata; maxBytes?: number; replace?: boolean },
  ): Promise<void>;
  /** Objects exactly as given, in one go; nothing is removed. */
  putObjects(objects: readonly PutObject[]): Promise<void>;
  /** Gives an object another label in place. */
  relabel(from: string, to: string): Promise<void>;
  /** Removes every object whose label is one of these. */
  removeLabels(...labels: string[]): Promise<void>;
  /** Removes every object of `path` that this token's put functions have made. */
  remove(path: string): Promise<void>;
  /** Ends the writing process. It also ends with the test's process. */
  close(): void;
};

const Reply = Type.Object({ id: Type.Integer() });

const bytes = (keys: Keys): Map<string, Uint8Array> =>
  new Map(
    Object.entries(keys).map(([key, value]) => [key, typeof value === "string" ? Buffer.from(value) : value]),
  );

/** Starts the writer and gives a function that has it do one request. */
const startWriter = async (env: NodeJS.ProcessEnv, start: object) => {
  const entry = fileURLToPath(new URL("./softhsm-writer.ts", import.meta.url));
  const child = fork(entry, [], { serialization: "advanced", execArgv: [], env });
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let nextId = 1;
  const answer = (id: number): Promise<void> => {
    child.ref();
    child.channel?.ref();
    return new Promise<void>((resolve, reject) => waiting.set(id, { resolve, reject })).finally(() => {
      waiting.delete(id);
      if (waiting.size > 0) return;
      child.unref();
      child.channel?.unref();
    });
  };
  child.on("message", (reply: unknown) => {
    if (Value.Check(Reply, reply)) waiting.get(reply.id)?.resolve();
  });
  child.on("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("the token writer died"));
  });
  const started = answer(0);
  child.send(start);
  await started;
  return {
    write: (request: Omit<WriteRequest, "id">): Promise<void> => {
      const id = nextId;
      nextId += 1;
      const done = answer(id);
      child.send({ id, ...request });
      return done;
    },
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
};

/** A new token in `dir`, with a label and a PIN that nobody knew before, unless they are given. */
export const makeToken = async (
  dir: string,
  label = `t-${randomBytes(4).toString("hex")}`,
  pin = String(randomInt(10_000_000, 99_999_999)),
): Promise<TestToken> => {
  const module = softhsmModule();
  if (module === undefined) throw new Error("SoftHSM2 is not installed (package softhsm2)");
  const tokens = join(dir, "tokens");
  mkdirSync(tokens, { recursive: true });
  const conf = join(dir, "softhsm2.conf");
  writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const pinFile = join(dir, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  const env = { SOFTHSM2_CONF: conf };
  const soPin = String(randomInt(10_000_000, 99_999_999));
  execFileSync(
    "softhsm2-util",
    ["--module", module, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPin],
    { env: { ...process.env, ...env }, stdio: "ignore" },
  );
  const writer = await startWriter({ ...process.env, NODE_OPTIONS: "", ...env }, { module, label, pin });
  const made = new Map<string, Set<string>>();

  const put = async (path: string, removeFirst: string[], create: WriteRequest["create"]): Promise<void> => {
    made.set(path, new Set([...(made.get(path) ?? []), ...create.map(({ label: name }) => String(name))]));
    await writer.write({ removeFirst, create, relabel: [] });
  };

  return {
    env,
    module,
    label,
    pin,
    pinFile,
    putPerKey: (path, keys, metadata) =>
      put(
        path,
        [...(made.get(path) ?? []), `${path}/${METADATA_SEGMENT}`],
        encodePerKey(path, bytes(keys), metadata).map((object) => ({ ...object, application: object.label })),
      ),
    putPacked: (path, keys, { version = 1, metadata = {}, maxBytes, replace = true } = {}) =>
      put(
        path,
        replace ? [path] : [],
        encodePacked({ version, keys: bytes(keys), metadata }, maxBytes).map((value) => ({
          label: path,
          application: PACKED_APPLICATION,
          value,
        })),
      ),
    putObjects: (objects) =>
      writer.write({
        removeFirst: [],
        relabel: [],
        create: objects.map(({ application, ...object }) => ({
          ...object,
          application: application ?? Buffer.from(object.label).toString("utf8"),
        })),
      }),
    relabel: (from, to) => writer.write({ removeFirst: [], create: [], relabel: [{ from, to }] }),
    removeLabels: (...labels) => writer.write({ removeFirst: labels, create: [], relabel: [] }),
    remove: async (path) => {
      const labels = [...(made.get(path) ?? [])];
      made.delete(path);
      await writer.write({ removeFirst: labels, create: [], relabel: [] });
    },
    close: writer.close,
  };
};
