// SPDX-License-Identifier: Apache-2.0
// Builds a bot's configuration for tests that replace the homeserver and the Toggles: nothing listens at its addresses.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BotConfig, parseBotConfig } from "../../server/bot/config.ts";

/** With its store and its kubeconfig in `folder`. */
export const botConfigIn = (
  folder: string,
  { user, password, allowed }: { user: string; password: string; allowed: string },
): BotConfig => {
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  const parsed = parseBotConfig({
    KUBECONFIG: kubeconfig,
    MATRIX_HOMESERVER: "http://127.0.0.1:1",
    MATRIX_USER: user,
    MATRIX_PASSWORD: password,
    ALLOWED_USERS: allowed,
    CRYPTO_STORE_PATH: folder,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.config;
};
