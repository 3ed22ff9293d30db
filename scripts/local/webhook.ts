// SPDX-License-Identifier: Apache-2.0
// Runs the webhook as in a pod, with the files of its service account in a folder of this machine.
import { listeningRole } from "../../server/listening-role.ts";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { runWebhook } from "../../server/webhook/main.ts";
import { playServiceNames } from "./service-names.ts";

const { SERVICE_ADDRESSES } = process.env;
if (SERVICE_ADDRESSES !== undefined) playServiceNames(SERVICE_ADDRESSES);

await listeningRole("webhook", {
  parse: async (env) => parseWebhookConfig(env, env.SERVICE_ACCOUNT_FOLDER),
  run: runWebhook,
})(process.env);
