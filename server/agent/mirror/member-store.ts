// SPDX-License-Identifier: Apache-2.0
// Implements the token as a member of a set on the agent's secret store: stamped writes, deletions in two steps, and copies.
import { createKeyedQueue } from "../../queue.ts";
import { type Clock, monotonicClock } from "../../time.ts";
import { applyChange } from "../apply-change.ts";
import type { SetMembership } from "../role/lease.ts";
import { nextStamp, type Origin, stampOf, withStamp } from "../storage/stamp.ts";
import type { Change, ChangeResult, Precondition, Secret, SecretStore } from "../store.ts";
import { isDone, isFull, isGone, isUnclear, isUnconditional } from "./change-results.ts";
import { heldBy } from "./held.ts";
import type { Copy, MemberStore } from "./member.ts";
import type { Tombstone } from "./plan-pull.ts";
import { foreignTo, joined, NO_MEMBER, replaced, settled, without, withTombstone } from "./record-edits.ts";
import { membershipOf, type RecordRead, RecordWriter } from "./record-writer.ts";
import { isSameTombstone, isUnderDeletion, type KeptTombstone, knowsOf, tombstoneOf } from "./set-record.ts";
import { TokenIdentity } from "./token-identity.ts";
import { TokenSummary, totalsOf } from "./token-summary.ts";

const UNRECORDED =
  "the secret is removed, and the token has no room yet to record that for the mirrors; delete more to make room";
const UNFINISHED =
  "the deletion is recorded on the token, and the secret could not be removed yet; that is done by itself";

class TokenMember implements MemberStore {
  readonly #store: Pick<SecretStore, "read" | "list" | "change">;
  readonly #records: RecordWriter;
  readonly #identity: TokenIdentity;
  readonly #summary: TokenSummary;
  /** Changes of one path, one after another: a deletion is several writes. */
  readonly #paths = createKeyedQueue();
  /** The deletions that this process has recorded, until `forget`. */
  readonly #own = new Map<string, Tombstone>();
  /** Tombstones of secrets that were written again: dropped with the next write of the record, as they cost nothing until then. */
  #over: readonly Tombstone[] = [];
  /** Deletions that were made, and for which the record had no room. */
  readonly #unrecorded = new Map<string, KeptTombstone>();
  /** Paths whose secret is to be gone, and is not known to be. */
  readonly #standing = new Set<string>();

  constructor(store: SecretStore, clock: Pick<Clock, "now">) {
    this.#summary = new TokenSummary(clock);
    const watched = this.#summary.watch(store);
    this.#store = watched;
    this.#records = new RecordWriter(watched);
    this.#identity = new TokenIdentity(watched);
  }

  membership(): ReturnType<MemberStore["membership"]> {
    return this.#identity.membership(() => this.#records.read());
  }

  async join(membership: SetMembership, role?: "primary" | "mirror"): Promise<ChangeResult> {
    const other = await this.#identity.exchanged();
    if (other !== undefined) return other;
    return this.#records.edit((record) => joined(record, membership, role));
  }

  async settle(own: Parameters<MemberStore["settle"]>[0]): Promise<ChangeResult> {
    for (const { path, stamp } of own) {
      const read = await this.#store.read(path);
      if (read.kind === "unavailable") return read;
      if (read.kind === "absent") continue;
      const { data, metadata } = read;
      const restamped = await this.take(path, { data, metadata, stamp });
      if (!isDone(restamped)) return restamped;
    }
    return this.#records.edit((record) => record && settled(record));
  }

  async holding(): ReturnType<MemberStore["holding"]> {
    const begun = this.#summary.begin();
    const found = await this.#identity.during(async (token) => {
      // In this order: what is deleted between the two is in the record, and so not simply missing.
      const listed = await this.#store.list("");
      if (listed.kind === "unavailable") return listed;
      const read = await this.#records.read();
      const held = heldBy(listed, read);
      return held.kind === "unavailable" ? held : { ...held, sign: { ...token, record: recordSign(read) } };
    });
    if (found.kind === "unavailable") return found;
    const { holding, unfinished, over, sign } = found;
    this.#over = over;
    // Another look finishes what could not be finished now.
    if (unfinished.length === 0) this.#summary.keep(begun, sign, holding);
    for (const path of unfinished) {
      this.#standing.add(path);
      // Where a change of the path is under way, it does that.
      if (this.#paths.length(path) === 0) await this.#paths.run(path, () => this.#finish(path));
    }
    return { kind: "holding", holding };
  }

  async totals(): ReturnType<MemberStore["totals"]> {
    const known = await this.#identity.during(async (token) => {
      const read = await this.#records.read();
      if (read.kind === "unavailable") return read;
      const totals = this.#summary.totals({ ...token, record: recordSign(read) });
      return totals && ({ kind: "totals", membership: membershipOf(read), ...totals } as const);
    });
    if (known !== undefined) return known;
    const held = await this.holding();
    if (held.kind === "unavailable") return held;
    const { set, epoch } = held.holding;
    return {
      kind: "totals",
      membership: set === undefined ? undefined : { set, epoch },
      ...totalsOf(held.holding),
    };
  }

  change(path: string, change: Change, condition: Precondition, epoch: number): Promise<ChangeResult> {
    return this.#paths.run(path, () => this.#change({ path, change, condition, epoch }));
  }

  take(path: string, copy: Copy): Promise<ChangeResult> {
    return this.#paths.run(path, () => this.#take(path, copy));
  }

  remove(path: string): Promise<ChangeResult> {
    return this.#paths.run(path, async () => {
      this.#standing.add(path);
      const result = await this.#store.change(path, { type: "delete" });
      if (isGone(result)) this.#standing.delete(path);
      return result.kind === "absent" ? { kind: "deleted", before: null } : result;
    });
  }

  record(tombstones: readonly Tombstone[]): Promise<ChangeResult> {
    const made = this.#finished(tombstones);
    return this.#records.edit((record) => record && replaced(record, made, this.#own));
  }

  async forget(tombstones: readonly Tombstone[]): Promise<ChangeResult> {
    const seen = this.#finished(tombstones);
    const dropped = seen.length === 0 ? [] : [...seen, ...this.#over];
    const result = await this.#records.edit((record) => record && without(record, dropped));
    if (!isDone(result)) return result;
    for (const one of seen) {
      const own = this.#own.get(one.path);
      if (own !== undefined && isSameTombstone(own, one)) this.#own.delete(one.path);
    }
    return result;
  }

  async #change({ path, change, condition, epoch }: AskedChange): Promise<ChangeResult> {
    const read = await this.#records.read();
    if (read.kind === "unavailable") return read;
    const record = read.kind === "record" ? read.record : undefined;
    const foreign = foreignTo(epoch, record);
    if (foreign !== undefined) return foreign;
    const tombstone = this.#unrecorded.get(path) ?? record?.tombstones.get(path);
    if (tombstone !== undefined) {
      const failed = await this.#finish(path);
      // What can't be understood is replaced as a whole, as it is outside a set.
      if (failed !== undefined && !isUnclear(failed)) return failed;
    }
    const origin = { epoch, ...(tombstone !== undefined && { replaces: [tombstone] }) };
    const asked = { path, change, condition, epoch };
    return change.type === "delete" || change.type === "delete-key"
      ? this.#delete(asked, origin)
      : this.#replaced(path, await this.#store.change(path, change, condition, origin));
  }

  async #delete({ path, change, condition }: AskedChange, origin: Origin): Promise<ChangeResult> {
    const read = await this.#store.read(path);
    if (read.kind === "unavailable") {
      const isWhole = change.type === "delete" && isUnconditional(condition);
      return isWhole && isUnclear(read) ? this.#deleteWhole(path, undefined, origin) : read;
    }
    const secret = read.kind === "found" ? read : undefined;
    const intent = applyChange(secret, change, condition);
    if (intent.kind === "done") return intent.result;
    return intent.kind === "delete"
      ? this.#deleteWhole(path, secret, origin)
      : this.#store.change(path, change, condition, origin);
  }

  /** Records the deletion, then removes the secret: a mirror that has missed it would keep its copy for ever. */
  async #deleteWhole(path: string, secret: Secret | undefined, origin: Origin): Promise<ChangeResult> {
    const tombstone = deletionOf(path, secret, origin);
    this.#own.set(path, tombstone);
    this.#standing.add(path);
    const recorded = await this.#recordDeletions(origin.epoch, tombstone);
    if (!isDone(recorded)) {
      if (recorded.kind !== "uncertain") this.#standing.delete(path);
      return isFull(recorded) ? this.#deleteFirst(path, secret, tombstone) : recorded;
    }
    const removed = await this.#removeOnly(path, secret);
    if (isGone(removed)) return removed;
    const why = "message" in removed ? `: ${removed.message}` : "";
    return { kind: "uncertain", message: `${UNFINISHED}${why}` };
  }

  /** A token without room for the record must be emptied somehow. Cut in between, mirrors keep theirs until somebody decides. */
  async #deleteFirst(
    path: string,
    secret: Secret | undefined,
    tombstone: KeptTombstone,
  ): Promise<ChangeResult> {
    const removed = await this.#removeOnly(path, secret);
    if (removed.kind !== "deleted") return removed;
    this.#unrecorded.set(path, tombstone);
    const recorded = await this.#recordDeletions(tombstone.epoch);
    if (isDone(recorded)) return removed;
    const why = "message" in recorded ? `: ${recorded.message}` : "";
    return { kind: "uncertain", message: `${UNRECORDED}${why}` };
  }

  /** Removes the secret if it is still that; another program's write may have come between, which the deletion does not know of. */
  async #removeOnly(path: string, secret: Secret | undefined): Promise<ChangeResult> {
    const only = secret === undefined ? {} : { ifMatch: [secret.checksum] };
    const removed = await this.#store.change(path, { type: "delete" }, only);
    if (isGone(removed)) this.#standing.delete(path);
    return removed.kind === "absent" ? { kind: "deleted", before: secret?.checksum ?? null } : removed;
  }

  /** Records these, and those of before for which there was no room. */
  async #recordDeletions(epoch: number, ...made: readonly KeptTombstone[]): Promise<ChangeResult> {
    const all = [...this.#unrecorded.values(), ...made];
    const result = await this.#records.edit((record) => {
      const foreign = foreignTo(epoch, record);
      return foreign ?? (record && all.reduce(withTombstone, without(record, this.#over)));
    });
    if (isDone(result)) for (const { path } of all) this.#unrecorded.delete(path);
    return result;
  }

  async #take(path: string, { data, metadata, stamp }: Copy): Promise<ChangeResult> {
    const read = await this.#records.read();
    if (read.kind === "unavailable") return read;
    if (read.kind === "none") return NO_MEMBER;
    const tombstone = read.record.tombstones.get(path);
    // A deletion that somebody has decided against must not count for the copy.
    if (tombstone !== undefined && knowsOf(tombstone, stamp)) {
      const dropped = await this.#records.edit((record) => record && without(record, [tombstone]));
      if (!isDone(dropped)) return dropped;
      this.#own.delete(path);
    }
    const copy = {
      type: "copy",
      data,
      metadata: withStamp(metadata, stamp),
      version: stamp.version,
    } as const;
    return this.#replaced(path, await this.#store.change(path, copy));
  }

  /** What was written stands in the place of what was to go. */
  #replaced(path: string, result: ChangeResult): ChangeResult {
    if (!isDone(result)) return result;
    this.#standing.delete(path);
    this.#unrecorded.delete(path);
    return result;
  }

  /** Removes the secret whose deletion is recorded; undefined: it is gone, or another one is there. */
  async #finish(path: string): Promise<ChangeResult | undefined> {
    const [read, secret] = [await this.#records.read(), await this.#store.read(path)];
    if (read.kind === "unavailable") return read;
    if (secret.kind === "unavailable") return secret;
    const tombstone = read.kind === "record" ? read.record.tombstones.get(path) : undefined;
    const isThere = tombstone !== undefined && secret.kind === "found" && isDeletionOf(tombstone, secret);
    const result: ChangeResult = isThere
      ? await this.#store.change(path, { type: "delete" }, { ifMatch: [secret.checksum] })
      : { kind: "absent" };
    if (!isGone(result)) return result;
    this.#standing.delete(path);
    return undefined;
  }

  /** Those whose secrets are gone. */
  #finished(tombstones: readonly Tombstone[]): Tombstone[] {
    return tombstones.filter(({ path }) => !this.#standing.has(path));
  }
}

/** The same where the record is the same; empty where there is none. */
const recordSign = (read: RecordRead): string => (read.kind === "record" ? read.checksum : "");

type AskedChange = { path: string; change: Change; condition: Precondition; epoch: number };

const isDeletionOf = (tombstone: KeptTombstone, { version, metadata, checksum }: Secret): boolean =>
  isUnderDeletion(tombstone, { stamp: stampOf(version, metadata), checksum });

const deletionOf = (path: string, secret: Secret | undefined, origin: Origin): KeptTombstone => {
  const replaced = secret === undefined ? [] : [stampOf(secret.version, secret.metadata)];
  const stamp = nextStamp(origin.epoch, [...replaced, ...(origin.replaces ?? [])]);
  return tombstoneOf(path, stamp, secret);
};

/** The token behind `store` as a member of a set. Nothing else may write to the store meanwhile. */
export const createMemberStore = (
  store: SecretStore,
  clock: Pick<Clock, "now"> = monotonicClock,
): MemberStore => new TokenMember(store, clock);
