// SPDX-License-Identifier: Apache-2.0
// Implements the agent's secret store in memory, for tests and for local runs on machines without SoftHSM2.
import { checksum } from "../../hooks/checksum.ts";
import { applyChange, type Content } from "../../server/agent/apply-change.ts";
import { summaryOf } from "../../server/agent/pkcs11/list-report.ts";
import { type Origin, stampOf, stampOfWrite, withStamp } from "../../server/agent/storage/stamp.ts";
import {
  type ChangeResult,
  type ListResult,
  type ReadResult,
  type Secret,
  type SecretStore,
  type Unavailable,
  unavailable,
} from "../../server/agent/store.ts";

export type MemoryStore = SecretStore & {
  /** Makes the secret at `path` exactly `keys`, as one more version. */
  put(
    path: string,
    keys: Readonly<Record<string, Uint8Array | string>>,
    options?: Partial<Pick<Secret, "layout" | "metadata">>,
  ): void;
  remove(path: string): void;
  /** Every operation comes to this until it is called again without. */
  fail(failure?: Unavailable): void;
};

export type MemoryStoreOptions = {
  /** What setPin takes as the PIN in use. */
  pin?: string;
};

/** What else decides what is written. */
type WriteWays = {
  layout?: Secret["layout"] | undefined;
  version?: number | undefined;
  origin?: Origin | undefined;
};

/** The secrets, by their path. */
class Secrets {
  readonly #secrets = new Map<string, Secret>();

  get(path: string): Secret | undefined {
    return this.#secrets.get(path);
  }

  get size(): number {
    return this.#secrets.size;
  }

  /** Makes `content` the secret at `path`, as one more version unless it has one of its own. */
  write(path: string, { data, metadata }: Content, { layout, version, origin }: WriteWays = {}): Secret {
    const before = this.get(path);
    const replaced = before && stampOf(before.version, before.metadata);
    const stamp = stampOfWrite(replaced, origin, before?.version ?? 0);
    const secret: Secret = {
      data,
      metadata: version === undefined ? withStamp(metadata, stamp) : metadata,
      checksum: checksum(data),
      version: version ?? stamp.version,
      layout: layout ?? before?.layout ?? "packed",
    };
    this.#secrets.set(path, secret);
    return secret;
  }

  remove(path: string): void {
    this.#secrets.delete(path);
  }

  change(...[path, wanted, precondition = {}, origin]: Parameters<SecretStore["change"]>): ChangeResult {
    const current = this.get(path);
    const before = current?.checksum ?? null;
    const intent = applyChange(current, wanted, precondition);
    if (intent.kind === "done") return intent.result;
    if (intent.kind === "delete") {
      this.remove(path);
      return { kind: "deleted", before };
    }
    // A write makes the store's own layout, whatever the secret had.
    const { content, layout = "packed", version: own } = intent;
    const written = this.write(path, content, { layout, version: own, origin });
    const { checksum: sum, version, data } = written;
    const outcome = wanted.type === "repack" ? "repacked" : before === null ? "created" : "changed";
    return { kind: "written", outcome, before, checksum: sum, version, keys: [...data.keys()].sort() };
  }

  list(prefix: string): Extract<ListResult, { kind: "listed" }> {
    const secrets = [...this.#secrets]
      .filter(([path]) => path.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, secret]) => summaryOf(path, secret));
    return { kind: "listed", secrets };
  }
}

/** What such a store says of its token. */
const infoOf = (label: string, objects: number) =>
  ({
    kind: "info",
    module: "memory",
    cache: "live",
    token: { label, manufacturer: "keyswitch", model: "memory", serial: "0", firmware: "0.0" },
    freeBytes: null,
    totalBytes: null,
    objects,
    objectLimit: null,
    objectLimitSource: null,
    damagedNames: 0,
    unreadableObjects: 0,
    invalidLabels: 0,
    publicObjects: 0,
    maxObjectBytes: null,
    layout: "packed",
    writable: true,
    viewAgeMs: 0,
  }) as const;

/** A store that holds nothing. */
export const createMemoryStore = (label = "memory", options: MemoryStoreOptions = {}): MemoryStore => {
  const secrets = new Secrets();
  let pin = options.pin ?? "unused";
  let failure: Unavailable | undefined;
  let closed = false;
  const broken = (): Unavailable | undefined =>
    closed ? unavailable("TOKEN_UNAVAILABLE", "the store is closed", 1) : failure;

  return {
    put: (path, keys, { layout, metadata = {} } = {}) => {
      const values = Object.entries(keys).map(
        ([key, value]) => [key, typeof value === "string" ? Buffer.from(value) : value] as const,
      );
      secrets.write(path, { data: new Map(values), metadata }, { layout });
    },
    remove: (path) => secrets.remove(path),
    fail: (next) => {
      failure = next;
    },
    read: async (path): Promise<ReadResult> => {
      const secret = secrets.get(path);
      return broken() ?? (secret === undefined ? { kind: "absent" } : { kind: "found", ...secret });
    },
    list: async (prefix) => broken() ?? secrets.list(prefix),
    info: async () => broken() ?? infoOf(label, secrets.size),
    change: async (...change) => broken() ?? secrets.change(...change),
    refresh: async () => broken() ?? { kind: "refreshed" },
    repair: async () => broken() ?? { kind: "repaired", results: [] },
    setPin: async (currentPin, newPin) => {
      const failed = broken();
      if (failed !== undefined) return failed;
      if (currentPin !== pin) return { kind: "mismatch" };
      pin = newPin;
      return { kind: "changed" };
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
