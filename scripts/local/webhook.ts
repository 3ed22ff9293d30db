// SPDX-License-Identifier: Apache-2.0
// Runs the webhook as in a pod, with the files of its service account in a folder of this machine.
import { listeningRole } from "../../server/listening-role.ts";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { runWebhook } from "../../server/webhook/main.ts";

await listeningRole("webhook", {
  parse: async (env) => parseWebhookConfig(env, env.SERVICE_ACCOUNT_FOLDER),
  run: runWebhook,
})(process.env);
