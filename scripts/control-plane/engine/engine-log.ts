// SPDX-License-Identifier: Apache-2.0
// The part of a pino logger that the engine writes to.

type Write = (fields: Record<string, unknown>, message: string) => void;
export type EngineLog = { info: Write; warn: Write; error: Write };

/** A log that drops everything. */
export const silent: EngineLog = { info: () => {}, warn: () => {}, error: () => {} };
