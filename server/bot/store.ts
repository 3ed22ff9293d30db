// SPDX-License-Identifier: Apache-2.0
// Opens the bot's one SQLite file, which holds session, sync token, encryption keys and journal, with an exclusive lock.
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What the file holds; each area is a map of its own. */
export type Area =
  | "session"
  | "sync"
  | "commands"
  | "identities"
  | "cross-signing"
  | "rooms"
  | "received"
  | "said"
  | "switches"
  | "indexeddb";

/**
 * `now`: it has reached the disk when the call returns. `soon`: it reaches the disk with the next write that is not, or with
 * `settle`, and never after either; that saves a wait for the disk. A kill of the process loses nothing of it. Only where a power
 * failure may take it back.
 */
export type When = "now" | "soon";

/**
 * Small values by area and key. Every call is synchronous; a write outside `transaction` is one of its own, and is `now` unless
 * it says else. What a transaction wrote is there as a whole or not at all, whatever ends the process.
 */
export type BotStore = {
  get(area: Area, key: string): Uint8Array | undefined;
  /** Within a transaction `when` is the transaction's. */
  put(area: Area, key: string, value: Uint8Array | string, when?: When): void;
  delete(area: Area, key: string): void;
  /** In the order of the keys. */
  entries(area: Area): IterableIterator<readonly [key: string, value: Uint8Array]>;
  /** Removes all of the area. */
  clear(area: Area): void;
  /** One transaction; an exception takes all of it back. They may be nested: the outermost one counts. */
  transaction<T>(work: () => T, when?: When): T;
  /** All that was written `soon` has reached the disk when it returns. Costs nothing where there is none. */
  settle(): void;
  close(): void;
};

/** Another process has the file open: a fault of the start. */
export class StoreInUse extends Error {}

/** SQLITE_BUSY, https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/** Longer than the kernel takes to release the locks of a process that was killed. */
const BUSY_TIMEOUT_MS = 500;

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;

/**
 * Opens the store in `folder`, which is made if it is missing, for this process alone. The lock is the kernel's: it goes
 * with the process, so that nothing has to be cleaned up after a kill.
 * @throws StoreInUse when another process has it.
 */
export const openBotStore = (folder: string): BotStore => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "keyswitch.db");
  const database = openDatabase(path);
  const select = database.prepare("SELECT value FROM entry WHERE area = ? AND key = ?");
  const selectAll = database.prepare("SELECT key, value FROM entry WHERE area = ? ORDER BY key");
  const upsert = database.prepare(
    "INSERT INTO entry (area, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  const remove = database.prepare("DELETE FROM entry WHERE area = ? AND key = ?");
  const removeAll = database.prepare("DELETE FROM entry WHERE area = ?");
  const commits = new Commits(database, () => upsert.run(...SETTLED, randomBytes(16)));
  const bytesOf = (value: unknown): Uint8Array => {
    if (value instanceof Uint8Array) return value;
    throw new Error(`${path} holds a value that is not bytes`);
  };
  return {
    get(area, key) {
      const row = select.get(area, key);
      return row && bytesOf(row.value);
    },
    put(area, key, value, when = "now") {
      const bytes = typeof value === "string" ? Buffer.from(value) : value;
      commits.write(when, () => upsert.run(area, key, bytes));
    },
    delete(area, key) {
      remove.run(area, key);
    },
    *entries(area) {
      for (const { key, value } of selectAll.all(area)) yield [String(key), bytesOf(value)] as const;
    },
    clear(area) {
      removeAll.run(area);
    },
    transaction: (work, when = "now") => commits.transaction(when, work),
    settle: () => commits.settle(),
    close() {
      database.close();
    },
  };
};

/** Where a transaction that has to reach the disk writes something new; no area of a caller. */
const SETTLED = ["store", "settled"] as const;

/** Knows whether something was written that may not have reached the disk yet. */
class Commits {
  readonly #database: DatabaseSync;
  readonly #change: () => void;
  /** A process that was killed may have left some of it. */
  #isUnsettled = true;

  /** `change` writes what no process has written before. */
  constructor(database: DatabaseSync, change: () => void) {
    this.#database = database;
    this.#change = change;
  }

  /** Of what is written within a transaction, that one decides. */
  write<T>(when: When, write: () => T): T {
    if (when === "now" || this.#database.isTransaction) return write();
    this.#isUnsettled = true;
    return withoutWaiting(this.#database, write);
  }

  transaction<T>(when: When, work: () => T): T {
    if (this.#database.isTransaction) return work();
    if (when === "soon") return this.write(when, () => inTransaction(this.#database, work));
    const result = inTransaction(this.#database, () => {
      const done = work();
      // SQLite waits for the disk only where a page changes, and one that is given what it has does not.
      if (this.#isUnsettled) this.#change();
      return done;
    });
    this.#isUnsettled = false;
    return result;
  }

  settle(): void {
    if (this.#isUnsettled) this.transaction("now", () => {});
  }
}

/** @throws StoreInUse */
const openDatabase = (path: string): DatabaseSync => {
  // SQLite gives its other files the mode of this one. The folder may have been there, and open to others. One that is there
  // is not touched: closing it here would take the locks away that this process may have on it.
  if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    // The first transaction takes the lock, and in this mode it is kept until the file is closed.
    database.exec(`PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      BEGIN EXCLUSIVE;
      CREATE TABLE IF NOT EXISTS entry (area TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (area, key)) WITHOUT ROWID;
      COMMIT;`);
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new StoreInUse(`${path} is in use by another bot: only one may run on a store`);
    const what = error instanceof Error ? error.message : "";
    throw new Error(`${path} can't be used as the bot's store: ${what}`, { cause: error });
  }
  return database;
};

/** Commits go to the write-ahead log without a sync of it; the next one that has a sync syncs them too. */
const withoutWaiting = <T>(database: DatabaseSync, write: () => T): T => {
  database.exec("PRAGMA synchronous = NORMAL");
  try {
    return write();
  } finally {
    database.exec("PRAGMA synchronous = FULL");
  }
};

const inTransaction = <T>(database: DatabaseSync, work: () => T): T => {
  database.exec("BEGIN");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
};
