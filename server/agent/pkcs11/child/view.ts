// SPDX-License-Identifier: Apache-2.0
// Caches the child's view of the token: what the last load found, updated by its own writes, and the responses from it.
import type { SecretSummary } from "../../../agent-api/schema.ts";
import type { Decoded } from "../../storage/secret.ts";
import type { Answer, Entry, TokenView } from "../answers.ts";
import { summaryOf } from "../list-report.ts";
import { HeldToken } from "./held-token.ts";
import { loadToken } from "./load.ts";
import { inSlices } from "./objects.ts";
import { readSecret } from "./path-reading.ts";
import type { Attached } from "./session.ts";
import { StartFault } from "./start-fault.ts";
import { TokenWriter } from "./writer.ts";

/** A secret as an answer carries it. */
const answerOf = (decoded: Decoded): Entry["content"] => {
  if (decoded.kind !== "found") return decoded;
  const { data, ...rest } = decoded;
  return { ...rest, keys: [...data] };
};

/** `read` may be called at any time, the others one after another. */
export class View {
  readonly writer: TokenWriter;
  readonly #held: HeldToken;
  readonly #progress: () => void;

  /** `progress` is told whenever a part of a longer piece of work is behind it. */
  constructor(held: HeldToken, progress: () => void) {
    this.writer = new TokenWriter(held);
    this.#held = held;
    this.#progress = progress;
  }

  /** The token as the last load and the own writes since have left it. */
  get token(): TokenView {
    return this.#held.describe();
  }

  read(path: string): Answer {
    const decoded = readSecret(this.#held, path);
    return decoded === "stale" ? { kind: "stale" } : answerOf(decoded);
  }

  async list(prefix: string): Promise<Answer> {
    const { index, earlier } = this.#held.loaded;
    const secrets: SecretSummary[] = [];
    const invalid: string[] = [];
    let stale = false;
    const paths = new Set([index, ...earlier].flatMap((listing) => listing.paths(prefix)));
    await inSlices([...paths].sort(), this.#progress, (path) => {
      const decoded = stale ? "stale" : readSecret(this.#held, path);
      if (decoded === "stale") stale = true;
      else if (decoded.kind === "found") secrets.push(summaryOf(path, decoded));
      else if (decoded.kind === "invalid") invalid.push(path);
    });
    return stale ? { kind: "stale" } : { kind: "listed", secrets, invalid };
  }

  async refresh(): Promise<Answer> {
    const outcome = await this.#held.reload();
    return outcome === "stale" ? { kind: "stale" } : { kind: "refreshed", view: this.token };
  }

  /** All that a caching module shows; nothing of others. */
  entries(): Entry[] {
    const { contents, index } = this.#held.loaded;
    return contents === undefined ? [] : index.allPaths().map((path) => this.#entryOf(path));
  }

  /** What of it has changed since this was last asked for. */
  changedEntries(): Entry[] {
    const paths = this.#held.takeTouched();
    return this.#held.loaded.contents === undefined ? [] : paths.map((path) => this.#entryOf(path));
  }

  #entryOf(path: string): Entry {
    const decoded = readSecret(this.#held, path);
    const content =
      decoded === "stale" ? ({ kind: "invalid", message: `${path}: not read` } as const) : answerOf(decoded);
    return { path, listed: this.#held.loaded.index.isListed(path), content };
  }
}

/** The view of `attached`, loaded. */
export const openView = async (attached: Attached, progress: () => void): Promise<View> => {
  const loaded = await loadToken(attached, progress);
  if (loaded === "stale") {
    throw new StartFault("TOKEN_UNAVAILABLE", "the token kept changing while it was listed");
  }
  return new View(new HeldToken(attached, loaded, progress), progress);
};
