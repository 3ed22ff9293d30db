// SPDX-License-Identifier: Apache-2.0
// Implements the agent's contract for changes on a store in memory, for runs that need no token.
import { checksum } from "../../../hooks/checksum.ts";
import { applyChange } from "../../../server/agent/apply-change.ts";
import type { ChangeResult, Secret, SecretStore } from "../../../server/agent/store.ts";

/** Holds nothing at first; `change` decides by the same rules as the agent's store. */
export const changeInMemory = (): Pick<SecretStore, "read" | "change"> => {
  const secrets = new Map<string, Secret>();
  return {
    read: async (path) => {
      const secret = secrets.get(path);
      return secret === undefined ? { kind: "absent" } : { kind: "found", ...secret };
    },
    change: async (path, change, precondition = {}): Promise<ChangeResult> => {
      const before = secrets.get(path);
      const intent = applyChange(before, change, precondition);
      if (intent.kind === "done") return intent.result;
      if (intent.kind === "delete") {
        secrets.delete(path);
        return { kind: "deleted", before: before?.checksum ?? null };
      }
      const { data, metadata } = intent.content;
      const after = { data, metadata, checksum: checksum(data), version: (before?.version ?? 0) + 1 };
      secrets.set(path, { ...after, layout: "packed" });
      return {
        kind: "written",
        outcome: before === undefined ? "created" : "changed",
        before: before?.checksum ?? null,
        checksum: after.checksum,
        version: after.version,
        keys: [...data.keys()].sort(),
      };
    },
  };
};
