// SPDX-License-Identifier: Apache-2.0
// Reads the user PIN from PKCS11_PIN_FILE. Runs in the child.
import { parsePin } from "../../../config/pin-line.ts";
import { readChecked } from "../../../config/variables.ts";
import { StartFault } from "./start-fault.ts";

const PIN_FILE_RULE =
  "Put the PIN there alone, in one line (printf %s PIN > FILE), by scripts/credentials.sh or into the key pin of the Secret; the token was not asked";

/** The PIN in `file`. What can't have been meant as one is never shown to the token. */
export const readPin = (file: string): string => {
  const read = readChecked(file);
  const parsed = read.ok ? parsePin(read.bytes) : read;
  if (parsed.ok) return parsed.value;
  throw new StartFault(
    "TOKEN_UNAVAILABLE",
    `the PIN file ${file} (PKCS11_PIN_FILE) ${parsed.message}. ${PIN_FILE_RULE}`,
  );
};
