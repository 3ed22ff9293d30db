// SPDX-License-Identifier: Apache-2.0
// Opens the Toggles of one namespace: the client, the memory, the watch that feeds it, and the requests.
import type { Logger } from "pino";
import type { KubernetesConfig } from "../config/kubernetes.ts";
import { type Clock, monotonicClock } from "../time.ts";
import { type ApiExchange, openKubernetesClient } from "./client.ts";
import { createToggleMemory } from "./toggle-memory.ts";
import { createToggleRequests } from "./toggle-requests.ts";
import { startToggleWatch, type ToggleWatchEvent } from "./toggle-watch.ts";
import type { Toggles } from "./toggles.ts";

export type WatchedTogglesOptions = {
  readonly config: KubernetesConfig;
  /** The one namespace: a Role is enough. */
  readonly namespace: string;
  readonly logger: Logger;
  /** Each exchange with the API server, for metrics. */
  readonly onExchange?: (exchange: ApiExchange) => void;
  /** What happens to the watch, for metrics. */
  readonly onWatch?: (event: ToggleWatchEvent) => void;
  readonly clock?: Clock;
  /** Milliseconds since the epoch. */
  readonly wallClock?: () => number;
  /** From 0 to below 1. */
  readonly random?: () => number;
  readonly timeoutMs?: number;
  /** Bookmarks come about once a minute, so a watch that is silent for longer is taken for dead. */
  readonly silentMs?: number;
};

/** `listed` resolves after the first list, or when it is closed before; until then `list` is empty. */
export type WatchedToggles = Toggles & { readonly listed: Promise<void> };

/** A patch of ours that the watch does not show after so long says that the watch is dead. */
const OWN_PATCH_SEEN_MS = 5000;

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openToggles = (options: WatchedTogglesOptions): WatchedToggles => {
  const { config, namespace, logger, onExchange, onWatch, clock = monotonicClock } = options;
  const client = openKubernetesClient({
    config,
    logger,
    clock,
    ...(onExchange && { observe: onExchange }),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  });
  const path = `/apis/toggle.j5t.io/v1alpha1/namespaces/${encodeURIComponent(namespace)}/toggles`;
  const memory = createToggleMemory({
    namespace,
    logger,
    ...(onWatch && { onUnreadable: () => onWatch("unreadable") }),
  });
  const requests = createToggleRequests({
    client,
    path,
    namespace,
    logger,
    remembered: memory.find,
    // Bookmarks are a minute apart, so that the watch alone would find it out minutes later.
    onUnanswered: (what) => {
      if (watch.state().ok) watch.renew(what);
    },
  });
  const watch = startToggleWatch({
    client,
    path,
    memory,
    logger,
    clock,
    wallClock: options.wallClock ?? Date.now,
    random: options.random ?? Math.random,
    silentMs: options.silentMs ?? 120_000,
    ...(onWatch && { onWatch }),
  });
  const waiting = new Set<() => void>();
  let isClosed = false;

  /** Renews the watch unless it shows this version, or a later change, in time. */
  const expect = (name: string, version: string | undefined): void => {
    if (memory.find(name)?.metadata.resourceVersion === version) return;
    if (isClosed || !watch.state().ok) return;
    const end = () => {
      cancel();
      unsubscribe();
      waiting.delete(end);
    };
    const cancel = clock.after(OWN_PATCH_SEEN_MS, () => {
      end();
      logger.warn({ toggle: name }, "the watch does not show a patch: it is renewed");
      watch.renew("did not show a change in time");
    });
    const unsubscribe = memory.subscribe((change) => {
      if (change.name === name) end();
    });
    waiting.add(end);
  };

  return {
    namespace,
    listed: watch.listed,
    list: memory.list,
    find: memory.find,
    get: requests.get,
    async patch(name, patch, ifGeneration) {
      const result = await requests.patch(name, patch, ifGeneration);
      if (result.ok) expect(name, result.toggle.metadata.resourceVersion);
      return result;
    },
    subscribe: memory.subscribe,
    state: watch.state,
    async close() {
      isClosed = true;
      for (const end of [...waiting]) end();
      await watch.close();
      await client.close();
    },
  };
};
