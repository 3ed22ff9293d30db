// SPDX-License-Identifier: Apache-2.0
// Defines the interface of a secret store: the PKCS#11 token, or memory in tests and local runs.
import type { RefusalCode, TokenFault } from "../../hooks/error-codes.ts";
import type {
  DeviceInfo,
  Layout,
  MetadataPatch,
  ObjectProblem,
  RepairResult,
  SecretMetadata,
  SecretSummary,
  StoredMetadata,
  WriteOutcome,
} from "../agent-api/schema.ts";
import type { Origin } from "./storage/stamp.ts";

/** The store can't tell what the token holds. It never means that a secret is absent. */
export type Unavailable = {
  kind: "unavailable";
  code: TokenFault;
  /** For people; says what to do. Never a value or a PIN. */
  message: string;
  /** When asking again is worth it. */
  retryAfterSeconds: number;
};

/** One secret as it is on the token. Keys are unique and sorted by nothing; values are raw bytes. */
export type Secret = {
  data: ReadonlyMap<string, Uint8Array>;
  checksum: string;
  version: number;
  layout: Layout;
  metadata: SecretMetadata;
};

/** `absent` is said only after a listing that worked and showed no object of this path. */
export type ReadResult = ({ kind: "found" } & Secret) | { kind: "absent" } | Unavailable;

/** A row of a list within the agent: `history` is that of the secret's stamp, absent where there is none. */
export type ListedSecret = SecretSummary & { history?: [epoch: number, version: number][] };

export type ListResult =
  | {
      kind: "listed";
      secrets: ListedSecret[];
      /** Paths below the prefix whose objects can't be understood: a read of one is STORAGE_INVALID. Sorted. */
      invalid?: string[];
      /** Objects below the prefix that count for nothing. */
      problems?: ObjectProblem[];
    }
  | Unavailable;

export type InfoResult = ({ kind: "info" } & Omit<DeviceInfo, "device" | "node">) | Unavailable;

/** What a store knows about its token without asking it. */
export type Health = { ready: true } | { ready: false; code: TokenFault; message: string };

type ReadOptions = {
  /** True asks for a view of the token that was loaded after this request arrived. */
  fresh?: boolean;
  /** Aborted when the caller is gone; the answer is then of no interest. */
  signal?: AbortSignal;
};

/** What must hold of the secret before it is written (RFC 9110, section 13.1), by checksum; `*` is any secret at all. */
export type Precondition = {
  ifMatch?: readonly string[] | "*";
  ifNoneMatch?: readonly string[] | "*";
};

/** One change of one secret. Nothing of it is done where anything of it can't be. */
export type Change =
  /** Exactly these keys. Fields of the metadata that are not given stay as they are. `layout`: another one than the store's. */
  | { type: "put"; data: ReadonlyMap<string, Uint8Array>; metadata?: SecretMetadata; layout?: Layout }
  /** Sets these keys, removes those that are null, and leaves the others. The secret must be there. */
  | { type: "patch"; data: ReadonlyMap<string, Uint8Array | null>; metadata?: MetadataPatch }
  | { type: "delete" }
  /** The secret goes with its last key. */
  | { type: "delete-key"; key: string }
  /** The same content in this layout. */
  | { type: "repack"; layout: Layout }
  /** The same content in the same layout, on new objects; where it was written in a set, as the same version. */
  | { type: "rewrite" }
  /**
   * Exactly this, as another token has it: `metadata` with the labels that the agent keeps itself, and `version` whether or not it is
   * higher than that of what is there.
   */
  | { type: "copy"; data: ReadonlyMap<string, Uint8Array>; metadata: StoredMetadata; version: number };

/** One of many changes. */
export type PathChange = { path: string; change: Change; precondition: Precondition };

/** What a change came to. `before` is the checksum of what was there, null where nothing was. */
export type ChangeResult =
  | {
      kind: "written";
      outcome: WriteOutcome | "repacked";
      before: string | null;
      checksum: string;
      version: number;
      keys: string[];
    }
  | { kind: "deleted"; before: string | null }
  | { kind: "absent" }
  | { kind: "key-absent" }
  /** The patch would leave no key; who wants that deletes the secret. */
  | { kind: "last-key" }
  /** The precondition does not hold. */
  | { kind: "precondition"; before: string | null }
  /** The token does not take it; nothing was changed. */
  | { kind: "refused"; code: RefusalCode; message: string }
  /** The token would take it; who wrote it may not have so much. */
  | { kind: "over-quota"; message: string }
  /** The write began and was cut off, or can't be seen: the token holds the old secret or the new one, whole. */
  | { kind: "uncertain"; message: string }
  /** The agent's role in its set of HSMs does not allow it, at the moment; nothing was changed. */
  | {
      kind: "not-taken";
      code: "NO_LEASE" | "NOT_PRIMARY" | "NO_MIRROR";
      message: string;
      retryAfterSeconds?: number;
    }
  /** The write did not begin. */
  | Unavailable;

/** `mismatch`: the current PIN given is not the one in use; the token was not asked. */
export type PinResult =
  | { kind: "changed" }
  | { kind: "mismatch" }
  /** Too many were not the one in use: none is compared for so long. */
  | { kind: "withheld"; retryAfterSeconds: number }
  | { kind: "refused"; message: string }
  | Unavailable;

/** What was wrong on the token, and what became of it. */
export type RepairOutcome = { kind: "repaired"; results: RepairResult[] } | Unavailable;

export type SecretStore = {
  read(path: string, options?: ReadOptions): Promise<ReadResult>;
  /** Every secret whose path starts with `prefix`; the empty prefix is everything, what no client sees among it. */
  list(prefix: string, options?: { signal?: AbortSignal }): Promise<ListResult>;
  info(): Promise<InfoResult>;
  /** Makes one change, whole or not at all; one that was cut is completed or undone by the next start. */
  change(
    path: string,
    change: Change,
    precondition?: Precondition,
    /** Where the store's writes are those of a set. */
    origin?: Origin,
  ): Promise<ChangeResult>;
  /**
   * Makes changes of different paths, each whole or not at all, and answers each in their order: sooner than one after another. Without
   * it the store has no such way.
   */
  changeAll?(changes: readonly PathChange[]): Promise<ChangeResult[]>;
  /** Loads a new view of the token. */
  refresh(): Promise<{ kind: "refreshed" } | Unavailable>;
  /** Removes what can't be read and what cut writes have left, and writes damaged names anew; `dryRun` only names them. */
  repair(dryRun: boolean): Promise<RepairOutcome>;
  setPin(currentPin: string, newPin: string): Promise<PinResult>;
  health(): Health;
  /** Lets go of the token. Calls under way are answered with TOKEN_UNAVAILABLE. */
  close(): Promise<void>;
};

/** An `Unavailable` of `code`. */
export const unavailable = (code: TokenFault, message: string, retryAfterSeconds = 5): Unavailable => ({
  kind: "unavailable",
  code,
  message,
  retryAfterSeconds,
});
