// SPDX-License-Identifier: Apache-2.0
// Starts the webhook: its configuration is read before the rest of its code.
import type { Environment } from "../config/variables.ts";
import { listeningRole } from "../listening-role.ts";
import { parseWebhookConfig } from "../webhook/config.ts";

/** `serviceAccountFolder`: where the files of its service account are, if not where a pod has them. */
export const start = (env: Environment, serviceAccountFolder?: string): Promise<void> =>
  listeningRole("webhook", {
    parse: async () => parseWebhookConfig(env, serviceAccountFolder),
    run: async (config, logger) => (await import("../webhook/main.ts")).runWebhook(config, logger),
  })(env);
