// SPDX-License-Identifier: Apache-2.0
// A start of the child that can't succeed as things are.
import type { StartFailure } from "../messages.ts";

/** `gone`: there is positively no such token. */
export class StartFault extends Error {
  readonly failure: StartFailure;
  constructor(code: StartFailure["code"], message: string, { gone = false }: { gone?: boolean } = {}) {
    super(message);
    this.failure = { type: "failed", code, message, gone };
  }
}
