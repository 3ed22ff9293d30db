// SPDX-License-Identifier: Apache-2.0
// Transaction ids: the same message always gets the same ones, so that what is sent twice shows once.
import { createHash } from "node:crypto";

/** The transaction of `part` (echo, answer, …) of what is said because of the message `id`; safe in a URL. */
export const transactionOf = (id: string, part: string): string =>
  `ks-${createHash("sha256").update(id).digest("base64url").slice(0, 32)}-${part}`;
