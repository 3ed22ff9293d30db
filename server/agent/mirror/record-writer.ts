// SPDX-License-Identifier: Apache-2.0
// Reads and rewrites the set record of a token: one write at a time, with all the edits that waited for it.
import type { SetMembership } from "../role/lease.ts";
import { type ChangeResult, type SecretStore, type Unavailable, unavailable } from "../store.ts";
import { SET_PATH } from "./member.ts";
import { decodeRecord, encodeRecord, RECORD_KEY, type SetRecord } from "./set-record.ts";

/** What the token says of its set. `none`: positively nothing. */
export type RecordRead =
  | { kind: "record"; record: SetRecord; checksum: string; version: number }
  | { kind: "none" }
  | Unavailable;

/** The membership that the record says; undefined: none. */
export const membershipOf = (read: Exclude<RecordRead, Unavailable>): SetMembership | undefined =>
  read.kind === "none" ? undefined : { set: read.record.set, epoch: read.record.epoch };

/** The record as it shall be, the same one for nothing to be written, or why it can't be. */
export type RecordEdit = (record: SetRecord | undefined) => SetRecord | undefined | Unavailable;

const INVALID = unavailable(
  "STORAGE_INVALID",
  `${SET_PATH}: what the token keeps of its set can't be understood; it is of a newer version, or another program has written it`,
  60,
);

const CHANGED = unavailable(
  "TOKEN_UNAVAILABLE",
  `${SET_PATH}: something else has changed it, or the token was exchanged; nothing was written`,
  1,
);

const isRefused = (edited: ReturnType<RecordEdit>): edited is Unavailable =>
  edited !== undefined && "kind" in edited;

type Waiting = { edit: RecordEdit; resolve: (result: ChangeResult | Promise<ChangeResult>) => void };

export class RecordWriter {
  readonly #store: Pick<SecretStore, "read" | "change">;
  readonly #waiting: Waiting[] = [];
  #isWriting = false;
  /** The record that was decoded last, for as long as the token shows the same bytes. */
  #decoded: { checksum: string; record: SetRecord } | undefined;

  constructor(store: Pick<SecretStore, "read" | "change">) {
    this.#store = store;
  }

  async read(): Promise<RecordRead> {
    const read = await this.#store.read(SET_PATH);
    if (read.kind === "unavailable") return read;
    if (read.kind === "absent") return { kind: "none" };
    const { checksum, data, layout, version } = read;
    if (this.#decoded?.checksum !== checksum) {
      const record = decodeRecord(data);
      this.#decoded = record && { checksum, record };
    }
    const record = this.#decoded?.record;
    return record === undefined || layout !== "packed"
      ? INVALID
      : { kind: "record", record, checksum, version };
  }

  /** Makes the edit, with others that have come meanwhile in one write. */
  edit(edit: RecordEdit): Promise<ChangeResult> {
    const { promise, resolve } = Promise.withResolvers<ChangeResult>();
    this.#waiting.push({ edit, resolve });
    if (!this.#isWriting) void this.#work();
    return promise;
  }

  async #work(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const results = this.#writeAll(batch.map(({ edit }) => edit));
      for (const [index, { resolve }] of batch.entries()) {
        resolve(results.then((all) => all[index] ?? CHANGED));
      }
      await results.catch(() => undefined);
    }
    this.#isWriting = false;
  }

  /** What becomes of each edit: the refused ones are left out of the write. */
  async #writeAll(edits: readonly RecordEdit[]): Promise<ChangeResult[]> {
    const read = await this.read();
    if (read.kind === "unavailable") return edits.map(() => read);
    const before = read.kind === "record" ? read.record : undefined;
    let after = before;
    const refusals = edits.map((edit) => {
      const edited = edit(after);
      if (isRefused(edited)) return edited;
      after = edited;
      return undefined;
    });
    const result = await this.#put(read, after);
    return refusals.map((refusal) => refusal ?? result);
  }

  async #put(read: Exclude<RecordRead, Unavailable>, record: SetRecord | undefined): Promise<ChangeResult> {
    if (record === undefined) return { kind: "absent" };
    if (read.kind === "record" && record === read.record) return unchanged(read);
    const result = await this.#store.change(
      SET_PATH,
      { type: "put", data: encodeRecord(record), layout: "packed" },
      read.kind === "none" ? { ifNoneMatch: "*" } : { ifMatch: [read.checksum] },
    );
    return result.kind === "precondition" || result.kind === "absent" ? CHANGED : result;
  }
}

const unchanged = ({ checksum, version }: Extract<RecordRead, { kind: "record" }>): ChangeResult => ({
  kind: "written",
  outcome: "unchanged",
  before: checksum,
  checksum,
  version,
  keys: [RECORD_KEY],
});
