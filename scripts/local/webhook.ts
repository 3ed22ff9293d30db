// SPDX-License-Identifier: Apache-2.0
// Runs the webhook as in a pod, with the files of its service account in a folder of this machine.
import { playServiceNames } from "./service-names.ts";

const { SERVICE_ADDRESSES, SERVICE_ACCOUNT_FOLDER, WEBHOOK_ENTRY = "" } = process.env;
if (SERVICE_ADDRESSES !== undefined) playServiceNames(SERVICE_ADDRESSES);

/** server/roles/webhook.ts, or its bundle: see product.ts. */
const { start }: typeof import("../../server/roles/webhook.ts") = await import(WEBHOOK_ENTRY);
await start(process.env, SERVICE_ACCOUNT_FOLDER);
