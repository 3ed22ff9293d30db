// SPDX-License-Identifier: Apache-2.0
// Reads the store of a killed bot from a copy: the next bot must find it exactly as the kill left it.
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { openJournal } from "../../../server/bot/journal.ts";
import { openBotStore } from "../../../server/bot/store.ts";

export type KilledStore = {
  /** The step of a message, by its event id; undefined where it is not in the journal. */
  stepOf(id: string): string | undefined;
  /** Of the bot's device; undefined before it has logged in. */
  readonly accessToken: string | undefined;
  /** Where the next sync goes on. */
  readonly position: Uint8Array | undefined;
};

const Session = Type.Object({ accessToken: Type.String() });

/** @throws Error where the store does not open, or an entry of its journal can't be read */
export const readKilledStore = (folder: string): KilledStore => {
  const copy = mkdtempSync(join(tmpdir(), "keyswitch-killed-"));
  try {
    // A bot that was killed early has made none yet.
    if (existsSync(folder)) cpSync(folder, copy, { recursive: true });
    const store = openBotStore(copy);
    try {
      const unreadable: string[] = [];
      const journal = openJournal({ store, maxAgeMs: 0, onUnreadable: (key) => unreadable.push(key) });
      if (unreadable.length > 0) throw new Error(`the journal can't be read: ${unreadable.join(", ")}`);
      const bytes = store.get("session", "current");
      const session: unknown = bytes && JSON.parse(Buffer.from(bytes).toString("utf8"));
      const steps = new Map(
        [...store.entries("commands")].flatMap(([key]) => {
          const id = key.slice(key.indexOf(":") + 1);
          const entry = journal.get(id);
          return entry === undefined ? [] : [[id, entry.step.state] as const];
        }),
      );
      return {
        stepOf: (id) => steps.get(id),
        position: store.get("sync", "token"),
        accessToken: Value.Check(Session, session) ? session.accessToken : undefined,
      };
    } finally {
      store.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
};

/** Has the next bot sync from `position` again, as if the one before had been killed each time before it wrote the new one. */
export const setBack = (folder: string, position: Uint8Array): void => {
  const store = openBotStore(folder);
  store.put("sync", "token", position);
  store.close();
};
