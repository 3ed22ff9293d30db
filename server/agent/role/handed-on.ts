// SPDX-License-Identifier: Apache-2.0
// Tells a write that a mirror has handed on to its primary, and the primary's answer to it.
import type { WireAnswer } from "../../agent-api/client.ts";
import type { ErrorOptions } from "../../http/errors.ts";

/** The header of a request that a mirror has handed on; it is not handed on again. */
export const HANDED_ON_BY = "keyswitch-handed-on-by";

/** What the primary answered, or why there is no answer. */
export type HandedOn = Pick<WireAnswer, "status" | "headers" | "body">;

/** Whether it is an answer. */
export const isHandedOn = (end: HandedOn | ErrorOptions): end is HandedOn => "status" in end;
