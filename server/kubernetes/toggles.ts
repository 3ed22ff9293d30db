// SPDX-License-Identifier: Apache-2.0
// The Toggles of one namespace at the API server: read from a watch, patched in their spec and nowhere else.
import type { Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";

/** What a command changes; null takes the field out (RFC 7396). Nothing else of a Toggle is ever sent. */
export type TogglePatch = {
  readonly enabled: boolean;
  readonly until: string | null;
  readonly requestedBy: string;
  readonly reason: string;
} & { readonly [K in Exclude<keyof ToggleSpec, "enabled" | "until" | "requestedBy" | "reason">]?: never };

/** Whether the spec is as the patch makes it. Without enabled nobody has switched yet, which is neither on nor off. */
export const isApplied = ({ spec }: Pick<Toggle, "spec">, patch: TogglePatch): boolean =>
  spec.enabled === patch.enabled &&
  (spec.until ?? null) === patch.until &&
  spec.requestedBy === patch.requestedBy &&
  spec.reason === patch.reason;

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
