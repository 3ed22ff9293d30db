// SPDX-License-Identifier: Apache-2.0
// Lists every command in the order of the help.
import type { Command } from "./option-spec.ts";
import { completion } from "./verbs/completion.ts";
import { create } from "./verbs/create.ts";
import { deleteSecret } from "./verbs/delete.ts";
import { devices } from "./verbs/devices.ts";
import { exportSecrets } from "./verbs/export.ts";
import { get } from "./verbs/get.ts";
import { health } from "./verbs/health.ts";
import { importSecrets } from "./verbs/import.ts";
import { list } from "./verbs/list.ts";
import { mirrorAdopt } from "./verbs/mirror-adopt.ts";
import { mirrorDiff } from "./verbs/mirror-diff.ts";
import { mirrorResolve } from "./verbs/mirror-resolve.ts";
import { mirrorStatus } from "./verbs/mirror-status.ts";
import { mirrorSync } from "./verbs/mirror-sync.ts";
import { renameKey } from "./verbs/rename-key.ts";
import { repack } from "./verbs/repack.ts";
import { repair } from "./verbs/repair.ts";
import { rotatePin } from "./verbs/rotate-pin.ts";
import { update } from "./verbs/update.ts";
import { version } from "./verbs/version.ts";

export const COMMANDS: readonly Command[] = [
  create,
  update,
  get,
  list,
  deleteSecret,
  renameKey,
  importSecrets,
  exportSecrets,
  repack,
  repair,
  rotatePin,
  devices,
  mirrorSync,
  mirrorStatus,
  mirrorDiff,
  mirrorResolve,
  mirrorAdopt,
  health,
  completion,
  version,
];

export const commandNamed = (name: string): Command | undefined => COMMANDS.find((one) => one.name === name);
