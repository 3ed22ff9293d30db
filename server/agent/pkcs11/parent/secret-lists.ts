// SPDX-License-Identifier: Apache-2.0
// Lists the secrets below a prefix: from the cache where the module caches too, or through the serving child.
import type { ListResult } from "../../store.ts";
import { withProblems } from "../list-report.ts";
import { OUT_OF_TURN } from "./child-watch.ts";
import { createCoalescedCalls, keptChanging, type SecretReadsOptions, tookTooLong } from "./secret-reads.ts";

/** What was asked for at a time of the clock. */
type AskedList = { prefix: string; asked: number };

export class SecretLists {
  readonly #options: SecretReadsOptions;
  readonly #coalesced;

  constructor(options: SecretReadsOptions) {
    this.#options = options;
    this.#coalesced = createCoalescedCalls<ListResult>(options.clock);
  }

  list(list: AskedList, signal: AbortSignal | undefined): Promise<ListResult> {
    const { supervisor, timeoutMs } = this.#options;
    return this.#coalesced({
      key: list.prefix,
      start: (abandoned) => this.#list(list, abandoned),
      deadlineMs: timeoutMs,
      late: () => tookTooLong(supervisor.lastLoadMs()),
      signal,
    });
  }

  async #list(list: AskedList, signal: AbortSignal): Promise<ListResult> {
    const { supervisor } = this.#options;
    const { prefix, asked } = list;
    if (supervisor.serving()?.view?.cache !== "cached") {
      const failed = await supervisor.refreshedSince(asked, true);
      if (failed !== undefined) return failed;
    }
    const child = await supervisor.acquire(asked);
    if ("kind" in child) return child;
    return child.view?.cache === "cached"
      ? withProblems(child.secrets.list(prefix), child.view, prefix)
      : this.#listThrough(list, signal);
  }

  async #listThrough({ prefix, asked }: AskedList, signal: AbortSignal): Promise<ListResult> {
    const { calls, supervisor } = this.#options;
    const answer = await calls.ask({ operation: { type: "list", prefix }, asked }, signal);
    switch (answer.kind) {
      case "listed":
      case "unavailable":
        return withProblems(answer, supervisor.serving()?.view, prefix);
      case "stale":
        return keptChanging(prefix);
      default:
        return OUT_OF_TURN;
    }
  }
}
