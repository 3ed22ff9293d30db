// SPDX-License-Identifier: Apache-2.0
// Provides the Toggles of one namespace: reads them from the watch's cache, and patches their spec and nothing else.
import type { Logger } from "pino";
import type { Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";
import { type Clock, monotonicClock } from "../time.ts";
import { type ApiExchange, openKubernetesClient } from "./client.ts";
import type { KubernetesConfig } from "./config.ts";
import { createToggleCache, type ToggleCache } from "./toggle-cache.ts";
import { createToggleRequests } from "./toggle-requests.ts";
import { startToggleWatch, type ToggleWatch, type ToggleWatchEvent } from "./toggle-watch.ts";

/** What a command changes; null takes the field out (RFC 7396). Nothing else of a Toggle is ever sent. */
export type TogglePatch = Switch | Restart | Extension;

type Switch = {
  readonly enabled: boolean;
  readonly until: string | null;
  readonly requestedBy: string;
  readonly reason: string;
} & { readonly [K in Exclude<keyof ToggleSpec, "enabled" | "until" | "requestedBy" | "reason">]?: never };

/** Who switched, and why, is left as it is. */
type Restart = { readonly restartAt: string } & {
  readonly [K in Exclude<keyof ToggleSpec, "restartAt">]?: never;
};

/** It stays on for longer; who switched it, and why, is left as it is. */
type Extension = { readonly until: string } & { readonly [K in Exclude<keyof ToggleSpec, "until">]?: never };

/** Why the API server did not do as it was asked. No text of the server's: it is for the log, not for a chat. */
export type ToggleFailure =
  /** There is no such Toggle. */
  | "not-found"
  /** The bot's service account may not (RBAC), or its token is refused. */
  | "forbidden"
  /** The Toggle changed since `ifGeneration`; the patch was not made. */
  | "changed"
  /** The API server refused the patch as invalid (admission, CEL). */
  | "refused"
  /** No answer, 429, 5xx, or an answer that can't be understood: a patch may have been made or not. */
  | "unavailable";

export type ToggleResult =
  | { readonly ok: true; readonly toggle: Toggle }
  | { readonly ok: false; readonly why: ToggleFailure };

/**
 * A change seen by the watch. `toggle` is undefined where it was deleted, or does not fit the schema any more. Where another
 * one of the name was made meanwhile, the deletion is told before it. States in between may be left out.
 */
export type ToggleChange = { readonly name: string; readonly toggle: Toggle | undefined };

/** Whether the watch is up: what `list` and `find` say is then current. The message says since when it is not. */
export type WatchState = {
  readonly ok: boolean;
  readonly message?: string;
  /** Why it is not: `not-found` is that of Toggles as such, whose CRD is gone. */
  readonly why?: Extract<ToggleFailure, "forbidden" | "not-found" | "unavailable">;
};

/** Toggles are frozen. Of metadata.managedFields they have only what lastSwitchOf reads. */
export type Toggles = {
  readonly namespace: string;
  /** From the watch's memory, by name, as of the last change; empty before the first list. */
  list(): readonly Toggle[];
  find(name: string): Toggle | undefined;
  /** Asks the API server. */
  get(name: string): Promise<ToggleResult>;
  /** Merge-patches the spec. With `ifGeneration` it is done only while the Toggle has that metadata.generation. */
  patch(name: string, patch: TogglePatch, ifGeneration?: number): Promise<ToggleResult>;
  /** Calls `listener` for each later change; the answer ends that. */
  subscribe(listener: (change: ToggleChange) => void): () => void;
  state(): WatchState;
  close(): Promise<void>;
};

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

/** Looks for patches of ours in what the watch shows. */
const expectPatches = ({
  memory,
  watch,
  logger,
  clock,
}: {
  memory: ToggleCache;
  watch: ToggleWatch;
  logger: Logger;
  clock: Clock;
}) => {
  const waiting = new Set<() => void>();
  let isClosed = false;
  return {
    /** Renews the watch unless it shows this version, or a later change, in time. */
    expect(name: string, version: string | undefined): void {
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
    },
    close() {
      isClosed = true;
      for (const end of [...waiting]) end();
    },
  };
};

/** @throws UnusableFile when a file of the credentials can't be used at the start. */
export const openToggles = (options: WatchedTogglesOptions): WatchedToggles => {
  const { config, namespace, logger, onExchange, onWatch, clock = monotonicClock } = options;
  const client = openKubernetesClient({
    config,
    logger,
    clock,
    ...(onExchange !== undefined && { observe: onExchange }),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  });
  const path = `/apis/toggle.j5t.io/v1alpha1/namespaces/${encodeURIComponent(namespace)}/toggles`;
  const memory = createToggleCache({
    namespace,
    logger,
    ...(onWatch !== undefined && { onUnreadable: () => onWatch("unreadable") }),
  });
  const requests = createToggleRequests({
    client,
    path,
    namespace,
    logger,
    remembered: memory.find,
    ...(options.wallClock !== undefined && { wallClock: options.wallClock }),
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
    ...(onWatch !== undefined && { onWatch }),
  });
  const patches = expectPatches({ memory, watch, logger, clock });
  return {
    namespace,
    listed: watch.listed,
    list: memory.list,
    find: memory.find,
    get: (name) => requests.get(name),
    async patch(name, patch, ifGeneration) {
      const result = await requests.patch(name, patch, ifGeneration);
      if (result.ok) patches.expect(name, result.toggle.metadata.resourceVersion);
      return result;
    },
    subscribe: memory.subscribe,
    state: () => watch.state(),
    async close() {
      patches.close();
      await watch.close();
      await client.close();
    },
  };
};
