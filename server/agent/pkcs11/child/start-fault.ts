// SPDX-License-Identifier: Apache-2.0
// Defines the error of a child's start that can't succeed without a change from outside.
import type { StartFailure } from "../messages.ts";

/** `gone`: there is positively no such token. */
export class StartFault extends Error {
  readonly failure: StartFailure;
  constructor(code: StartFailure["code"], message: string, { gone = false }: { gone?: boolean } = {}) {
    super(message);
    this.failure = { type: "failed", code, message, gone };
  }
}
