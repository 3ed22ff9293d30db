// SPDX-License-Identifier: Apache-2.0
// How long a server on this machine may take to answer what a test or the tour asks it, as undici's `request` takes it.

/** Without it a server that hangs is waited for for five minutes, which is most of what a test file may take. */
export const ANSWER_LIMITS = { headersTimeout: 30_000, bodyTimeout: 30_000 } as const;
