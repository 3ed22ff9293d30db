// SPDX-License-Identifier: Apache-2.0
// Reads the user PIN from the agent's PIN files, and knows the one that has replaced it on the token. Runs in the child.
import { statSync } from "node:fs";
import { parsePin } from "../../../config/pin-line.ts";
import { describeFileError, readChecked } from "../../../config/variables.ts";
import type { Configure, ReplacedPin } from "../messages.ts";
import { StartFault } from "./start-fault.ts";

const PIN_FILE_RULE =
  "Put the PIN there alone, in one line (printf %s PIN > FILE), by scripts/credentials.sh or into the key pin of the Secret; the token was not asked";

const fault = (file: string, variable: string, message: string): StartFault =>
  new StartFault("TOKEN_UNAVAILABLE", `the PIN file ${file} (${variable}) ${message}. ${PIN_FILE_RULE}`);

/** What tells whether a file was written since; undefined where there is none. */
const stampOf = (file: string, variable: string): string | undefined => {
  try {
    const { dev, ino, mtimeNs, size } = statSync(file, { bigint: true });
    return [file, dev, ino, mtimeNs, size].join(" ");
  } catch (error) {
    const message = describeFileError(error);
    if (message === "does not exist") return undefined;
    throw fault(file, variable, message);
  }
};

/** The PIN files of a configuration. A kubelet writes a Secret that has changed into them a minute or two later. */
export class PinFile {
  readonly #config: Pick<Configure, "pinFile" | "ownPinFile">;
  #replaced: ReplacedPin | undefined;

  constructor({ pinFile, ownPinFile, replacedPin }: Configure) {
    this.#config = { pinFile, ...(ownPinFile !== undefined && { ownPinFile }) };
    this.#replaced = replacedPin;
  }

  /**
   * The PIN. What can't have been meant as one is never shown to the token.
   * @throws StartFault naming the file
   */
  read(): string {
    const { file, variable, stamp } = this.#current();
    if (stamp !== undefined && stamp === this.#replaced?.file) return this.#replaced.pin;
    const read = readChecked(file);
    const parsed = read.ok ? parsePin(read.bytes) : read;
    if (parsed.ok) return parsed.value;
    throw fault(file, variable, parsed.message);
  }

  /**
   * The token has `pin` from now on, which counts until the file that counts now is written, or another does. Undefined where there is
   * none.
   */
  replacedBy(pin: string): ReplacedPin | undefined {
    const { stamp } = this.#current();
    this.#replaced = stamp === undefined ? undefined : { file: stamp, pin };
    return this.#replaced;
  }

  /** The file that counts. */
  #current(): { file: string; variable: string; stamp: string | undefined } {
    const { pinFile, ownPinFile } = this.#config;
    if (ownPinFile !== undefined) {
      const stamp = stampOf(ownPinFile, "PKCS11_OWN_PIN_FILE");
      if (stamp !== undefined) return { file: ownPinFile, variable: "PKCS11_OWN_PIN_FILE", stamp };
    }
    return { file: pinFile, variable: "PKCS11_PIN_FILE", stamp: stampOf(pinFile, "PKCS11_PIN_FILE") };
  }
}
