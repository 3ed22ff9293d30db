// SPDX-License-Identifier: Apache-2.0
// Defines the timeouts of requests from tests and the tour to servers on this machine, for undici's `request`.

/** Without it a server that hangs is waited for for five minutes, which is most of what a test file may take. */
export const ANSWER_LIMITS = { headersTimeout: 30_000, bodyTimeout: 30_000 } as const;
