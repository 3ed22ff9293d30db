// SPDX-License-Identifier: Apache-2.0
// The agent's secret store in memory, for tests and for local runs on machines without SoftHSM2.
import { checksum } from "../../hooks/checksum.ts";
import type { ReadResult, Secret, SecretStore, Unavailable } from "../../server/agent/store.ts";

export type MemoryStore = SecretStore & {
  /** Makes the secret at `path` exactly `keys`, as one more version. */
  put(path: string, keys: Readonly<Record<string, Uint8Array | string>>): void;
  remove(path: string): void;
  /** Every operation comes to this until it is called again without. */
  fail(failure?: Unavailable): void;
};

/** A store that holds nothing. */
export const createMemoryStore = (label = "memory"): MemoryStore => {
  const secrets = new Map<string, Secret>();
  let failure: Unavailable | undefined;
  let closed = false;
  const broken = (): Unavailable | undefined =>
    closed
      ? {
          kind: "unavailable",
          code: "TOKEN_UNAVAILABLE",
          message: "the store is closed",
          retryAfterSeconds: 1,
        }
      : failure;
  return {
    put: (path, keys) => {
      const data = new Map(
        Object.entries(keys).map(([key, value]) => [
          key,
          typeof value === "string" ? Buffer.from(value) : value,
        ]),
      );
      secrets.set(path, { data, checksum: checksum(data), version: (secrets.get(path)?.version ?? 0) + 1 });
    },
    remove: (path) => {
      secrets.delete(path);
    },
    fail: (next) => {
      failure = next;
    },
    read: async (path): Promise<ReadResult> => {
      const secret = secrets.get(path);
      return broken() ?? (secret === undefined ? { kind: "absent" } : { kind: "found", ...secret });
    },
    list: async (prefix) =>
      broken() ?? {
        kind: "listed",
        secrets: [...secrets]
          .filter(([path]) => path.startsWith(prefix))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([path, { data, checksum: sum, version }]) => ({
            path,
            checksum: sum,
            keys: [...data.keys()].sort(),
            bytes: [...data.values()].reduce((total, value) => total + value.length, 0),
            version,
          })),
      },
    info: async () =>
      broken() ?? {
        kind: "info",
        module: "memory",
        cache: "live",
        token: { label, manufacturer: "keyswitch", model: "memory", serial: "0", firmware: "0.0" },
        freeBytes: null,
        totalBytes: null,
        objects: secrets.size,
        viewAgeMs: 0,
      },
    health: () => {
      const fault = broken();
      return fault === undefined
        ? { ready: true }
        : { ready: false, code: fault.code, message: fault.message };
    },
    close: async () => {
      closed = true;
    },
  };
};
