// SPDX-License-Identifier: Apache-2.0
// Caches the secrets of a token whose module caches: what the last complete load showed, updated by the agent's own writes.
import { type ListedSecret, type ListResult, type ReadResult, unavailable } from "../../store.ts";
import type { Entry } from "../answers.ts";
import { summaryOf } from "../list-report.ts";

export type SecretCache = {
  /** Takes in what paths hold now, in place of what they held. */
  update(entries: readonly Entry[]): void;
  read(path: string): ReadResult;
  list(prefix: string): Extract<ListResult, { kind: "listed" }>;
  /** Overwrites every value. Nothing is known afterwards. */
  wipe(): void;
};

type Content = Entry["content"];

const wipeContent = (content: Content | undefined): void => {
  if (content?.kind !== "found") return;
  for (const [, value] of content.keys) value.fill(0);
};

/** The result that a content stands for. Its values are copies, which outlive a wipe for as long as an answer is made. */
const resultOf = (content: Content | undefined): ReadResult => {
  if (content === undefined || content.kind === "absent") return { kind: "absent" };
  if (content.kind === "invalid") return unavailable(content.code ?? "STORAGE_INVALID", content.message, 60);
  const { keys, ...rest } = content;
  return { ...rest, data: new Map(keys.map(([key, value]) => [key, Buffer.from(value)])) };
};

/** A cache that knows nothing: every path is absent. */
export const createSecretCache = (): SecretCache => {
  const entries = new Map<string, Entry>();
  return {
    update: (changed) => {
      for (const entry of changed) {
        wipeContent(entries.get(entry.path)?.content);
        if (entry.content.kind === "absent") entries.delete(entry.path);
        else entries.set(entry.path, entry);
      }
    },
    read: (path) => resultOf(entries.get(path)?.content),
    list: (prefix) => {
      const secrets: ListedSecret[] = [];
      const invalid: string[] = [];
      const paths = [...entries.values()].filter(({ path, listed }) => listed && path.startsWith(prefix));
      for (const { path, content } of paths.sort((a, b) => (a.path < b.path ? -1 : 1))) {
        if (content.kind === "invalid") invalid.push(path);
        if (content.kind === "found") {
          secrets.push(summaryOf(path, { ...content, data: new Map(content.keys) }));
        }
      }
      return { kind: "listed", secrets, invalid };
    },
    wipe: () => {
      for (const { content } of entries.values()) wipeContent(content);
      entries.clear();
    },
  };
};
