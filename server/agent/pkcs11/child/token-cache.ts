// SPDX-License-Identifier: Apache-2.0
// Caches the token in the child: what the last load found, updated by its own writes, and the responses from it.
import { countUnread, type Decoded, pathsOf, withoutLeftovers } from "../../storage/secret.ts";
import type { Trusted } from "../../storage/trust.ts";
import type { ListedSecret } from "../../store.ts";
import type { Answer, Entry, TokenView } from "../answers.ts";
import { problemsAmong, summaryOf } from "../list-report.ts";
import { handleKey, type IndexedObject } from "./label-index.ts";
import { describeToken, type Loaded, loadToken } from "./load.ts";
import { findDataObjects, inSlices, objectName, type ReadObject, SLICE_MS } from "./module-calls.ts";
import type { WriterView } from "./object-writes.ts";
import { type LoadedToken, listingsAgree, readObjects, readSecret } from "./path-reading.ts";
import type { Attached } from "./session.ts";
import { StartFault } from "./start-fault.ts";
import { TokenWriter } from "./writer.ts";

/** A write that begins so soon after the last one takes the token for what that one saw of it, in milliseconds. */
const AT_ONCE_MS = 5;

/** A token that was loaded. `progress` is told whenever a part of a longer piece of work is behind it. */
export class TokenCache implements WriterView, LoadedToken {
  readonly attached: Attached;
  readonly #progress: () => void;
  #loaded: Loaded;
  #description: ReturnType<typeof describeToken>;
  /** Paths that a write has changed since they were last told. */
  #touched = new Set<string>();
  /** When the index was last compared with all that the token shows. */
  #comparedAt = Number.NEGATIVE_INFINITY;
  /** When the write that is under way last let reads in between. */
  #workedSince = performance.now();

  constructor(attached: Attached, loaded: Loaded, progress: () => void) {
    this.attached = attached;
    this.#loaded = loaded;
    this.#progress = progress;
    this.#description = describeToken(attached);
  }

  get session(): Attached["session"] {
    return this.attached.session;
  }

  get quirks(): Attached["quirks"] {
    return this.attached.quirks;
  }

  get loaded(): Loaded {
    return this.#loaded;
  }

  /** Loads the token anew. Where that is `stale`, what was loaded before is kept. */
  async reload(): Promise<"loaded" | "stale"> {
    const next = await loadToken(this.attached, this.#progress);
    if (next === "stale") return next;
    this.#description = describeToken(this.attached);
    this.#loaded = next;
    return "loaded";
  }

  /** The token as of now. */
  describe(): TokenView {
    const { index, count, contents, shown } = this.#loaded;
    const limit = this.quirks.shownObjects;
    return {
      ...this.#description,
      objects: count,
      damagedNames: this.damaged().length,
      ...problemsAmong(index.objects()),
      unreadableObjects: contents?.unread.size ?? 0,
      shown: shown === undefined || limit === null ? null : { objects: shown, limit },
      unsettled: this.unsettled().length,
    };
  }

  /** The paths that own writes have changed since this was last asked for. */
  takeTouched(): string[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  logInAgain(): Promise<void> {
    return this.attached.logInAgain();
  }

  /** At the cost of one C_FindObjects, which a write that follows at once on another spares itself. */
  async catchUp(path: string): Promise<void> {
    this.#workedSince = performance.now();
    if (this.#workedSince - this.#comparedAt > AT_ONCE_MS && this.#isLive()) {
      await this.seen(findDataObjects(this.session));
    }
    if (!listingsAgree(this.#loaded, path)) await this.reload();
  }

  objectsOf(path: string): Trusted<IndexedObject, ReadObject> | "stale" {
    return readObjects(this, path);
  }

  /** Of a live module by their names alone: the values are not at hand. */
  unsettled(): string[] {
    const { contents, index } = this.#loaded;
    return contents === undefined
      ? index.unsettled()
      : index.allPaths().filter((path) => this.#hasLeftovers(path));
  }

  unreadable(): IndexedObject[] {
    return [...(this.#loaded.contents?.unread.values() ?? [])];
  }

  /** A public one is not mended: it counts for nothing, or its module can't do better. */
  damaged(): IndexedObject[] {
    return this.#loaded.index
      .objects()
      .filter((object) => object.damaged === true && object.isPublic !== true);
  }

  count(): number {
    return this.#loaded.count;
  }

  /**
   * Takes in what other processes have made and removed, where the module shows it. The earlier listings are left as they are,
   * so that a read of a path that has changed asks for listings that agree.
   */
  async seen(handles: readonly Buffer[]): Promise<void> {
    if (!this.#isLive()) return;
    const loaded = this.#loaded;
    const { index, nameless } = loaded;
    const shown = new Set(handles.map(handleKey));
    for (const handle of index.handles()) if (!shown.has(handleKey(handle))) index.remove(handle);
    const known = new Set(nameless.map(handleKey));
    const unknown = handles.filter((handle) => !index.has(handle) && !known.has(handleKey(handle)));
    await inSlices(unknown, this.#progress, (handle) => {
      const object = objectName(this.session, handle);
      if (object === "nameless") nameless.push(handle);
      else if (object !== "stale") index.add(object);
    });
    loaded.count = handles.length;
    this.#comparedAt = performance.now();
  }

  made(object: ReadObject): void {
    const loaded = this.#loaded;
    for (const listing of [loaded.index, ...loaded.earlier]) listing.add(object);
    loaded.contents?.values.set(handleKey(object.handle), object);
    this.#counted(1);
    this.#touch(object);
  }

  removed(object: IndexedObject): void {
    const loaded = this.#loaded;
    if (loaded.index.has(object.handle)) this.#counted(-1);
    for (const listing of [loaded.index, ...loaded.earlier]) listing.remove(object.handle);
    loaded.contents?.values.delete(handleKey(object.handle));
    loaded.contents?.unread.delete(handleKey(object.handle));
    this.#touch(object);
  }

  notRemoved(object: IndexedObject): void {
    this.#loaded.contents?.values.delete(handleKey(object.handle));
    this.#loaded.contents?.unread.set(handleKey(object.handle), object);
    this.#touch(object);
  }

  async pace(): Promise<void> {
    if (performance.now() - this.#workedSince < SLICE_MS) return;
    this.#progress();
    await new Promise((resolve) => setImmediate(resolve));
    this.#workedSince = performance.now();
  }

  #isLive(): boolean {
    return this.quirks.cache === "live";
  }

  #hasLeftovers(path: string): boolean {
    const reading = this.objectsOf(path);
    if (reading === "stale") return false;
    const settled = withoutLeftovers(path, reading.objects, countUnread(reading.unread));
    return settled.kind === "settled" && settled.surplus.length > 0;
  }

  #counted(by: 1 | -1): void {
    this.#loaded.count += by;
    if (this.#loaded.shown !== undefined) this.#loaded.shown += by;
  }

  #touch(object: IndexedObject): void {
    for (const path of pathsOf(object)) this.#touched.add(path);
  }
}

/** A secret as an answer carries it. */
const answerOf = (decoded: Decoded): Entry["content"] => {
  if (decoded.kind !== "found") return decoded;
  const { data, ...rest } = decoded;
  return { ...rest, keys: [...data] };
};

/** What a cached token answers. `read` may be called at any time, the others one after another. */
export class View {
  readonly writer: TokenWriter;
  readonly #cache: TokenCache;
  readonly #progress: () => void;

  /** `progress` is told whenever a part of a longer piece of work is behind it. */
  constructor(cache: TokenCache, progress: () => void) {
    this.writer = new TokenWriter(cache);
    this.#cache = cache;
    this.#progress = progress;
  }

  /** The token as the last load and the own writes since have left it. */
  get token(): TokenView {
    return this.#cache.describe();
  }

  read(path: string): Answer {
    const decoded = readSecret(this.#cache, path);
    return decoded === "stale" ? { kind: "stale" } : answerOf(decoded);
  }

  async list(prefix: string): Promise<Answer> {
    const { index, earlier } = this.#cache.loaded;
    const secrets: ListedSecret[] = [];
    const invalid: string[] = [];
    let stale = false;
    const paths = new Set([index, ...earlier].flatMap((listing) => listing.paths(prefix)));
    await inSlices([...paths].sort(), this.#progress, (path) => {
      const decoded = stale ? "stale" : readSecret(this.#cache, path);
      if (decoded === "stale") stale = true;
      else if (decoded.kind === "found") secrets.push(summaryOf(path, decoded));
      else if (decoded.kind === "invalid") invalid.push(path);
    });
    return stale ? { kind: "stale" } : { kind: "listed", secrets, invalid };
  }

  async refresh(): Promise<Answer> {
    const outcome = await this.#cache.reload();
    return outcome === "stale" ? { kind: "stale" } : { kind: "refreshed", view: this.token };
  }

  /** All that a caching module shows; nothing of others. */
  entries(): Entry[] {
    const { contents, index } = this.#cache.loaded;
    return contents === undefined ? [] : index.allPaths().map((path) => this.#entryOf(path));
  }

  /** What of it has changed since this was last asked for. */
  changedEntries(): Entry[] {
    const paths = this.#cache.takeTouched();
    return this.#cache.loaded.contents === undefined ? [] : paths.map((path) => this.#entryOf(path));
  }

  #entryOf(path: string): Entry {
    const decoded = readSecret(this.#cache, path);
    const content =
      decoded === "stale" ? ({ kind: "invalid", message: `${path}: not read` } as const) : answerOf(decoded);
    return { path, listed: this.#cache.loaded.index.isListed(path), content };
  }
}

/** The view of `attached`, loaded. */
export const openView = async (attached: Attached, progress: () => void): Promise<View> => {
  const loaded = await loadToken(attached, progress);
  if (loaded === "stale") {
    throw new StartFault("TOKEN_UNAVAILABLE", "the token kept changing while it was listed");
  }
  return new View(new TokenCache(attached, loaded, progress), progress);
};
