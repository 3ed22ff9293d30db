// SPDX-License-Identifier: Apache-2.0
// Implements a chat room on this machine with the bot's own command code; its one user is whoever runs this.
import { mkdirSync } from "node:fs";
import { createAccess } from "../../server/bot/access.ts";
import type { Message } from "../../server/bot/chat.ts";
import { isLastWord } from "../../server/bot/last-word.ts";
import { createRunner } from "../../server/bot/runner.ts";
import { openBotStore } from "../../server/bot/store.ts";
import { openToggles } from "../../server/kubernetes/toggles.ts";
import { createLogger } from "../../server/log.ts";
import { wallClock } from "../../server/time.ts";

export const USER = "@you:local";
const ROOM = "!prompt:local";

/** What the bot said, or changed one of its answers to. */
type BotLine = { readonly answer: string; readonly edited: boolean; readonly text: string };

export type ChatRoom = {
  /** Writes a message; answered by the time that this is. Edits of the answer follow. */
  say(text: string): Promise<void>;
  /** All that the bot has said. */
  lines(): readonly BotLine[];
  /** Calls `listener` for each line to come; the answer ends that. */
  listen(listener: (line: BotLine) => void): () => void;
  close(): Promise<void>;
};

/** Opens the room: Toggles of `namespace` at the control plane `apiUrl`, the journal in `folder`. */
export const openChatRoom = async (options: {
  apiUrl: string;
  folder: string;
  namespace: string;
  /** Told each line that the bot logs. */
  log: (line: string) => void;
}): Promise<ChatRoom> => {
  const { apiUrl, folder, namespace, log } = options;
  const logger = createLogger(
    { level: "info", role: "bot" },
    { write: (line: string) => log(line.trimEnd()) },
  );
  const toggles = openToggles({
    config: { origin: apiUrl, pathPrefix: "", credentials: { kind: "none" } },
    namespace,
    logger,
  });
  await toggles.listed;
  mkdirSync(folder, { recursive: true });
  const store = openBotStore(folder);
  const said: BotLine[] = [];
  const listeners = new Set<(line: BotLine) => void>();
  const show = (line: BotLine) => {
    said.push(line);
    for (const listener of listeners) listener(line);
  };
  const runner = createRunner({
    store,
    chat: {
      send: async (room, text, transaction) => {
        show({ answer: transaction, edited: false, text: typeof text === "string" ? text : text() });
        return { room, id: transaction };
      },
      tell: async (room, news, transaction) => {
        const text = news.text();
        // Whoever types sees the last edit of the answer, which says the same.
        if (text !== undefined && !isLastWord(transaction)) {
          show({ answer: transaction, edited: false, text });
        }
        return { room, id: transaction };
      },
      echo: async () => {},
      react: async () => {},
      edit: async (answer, edit) => {
        const text = typeof edit === "string" ? edit : edit.text();
        if (text !== undefined) show({ answer: answer.id, edited: true, text });
      },
    },
    toggles,
    access: createAccess([USER]),
    clock: wallClock,
    defaultName: "web",
    maxAgeSeconds: 120,
    // Whoever types sees it.
    echo: false,
    addressing: { mode: "always", prefix: "!", bare: true },
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    metrics: {
      command: () => {},
      patched: () => {},
      answered: () => {},
      refused: () => {},
      sendRefused: () => {},
    },
    logger,
  });
  runner.start();
  let messages = 0;
  return {
    async say(text) {
      messages += 1;
      const message: Message = {
        ...{ id: `$${messages}`, room: ROOM, sender: USER, text, sentAt: Date.now() },
        authorship: "plain",
        context: { direct: true, names: [], mentioned: false },
      };
      runner.accept(message, { resumed: false });
      await runner.idle();
    },
    lines: () => said,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      await runner.close();
      await toggles.close();
      store.close();
    },
  };
};
