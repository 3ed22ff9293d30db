// SPDX-License-Identifier: Apache-2.0
// The part of a pino logger that the engine writes to. Secret data, tokens and answers of hooks never go there.

type Write = (fields: Record<string, unknown>, message: string) => void;
export type EngineLog = { debug: Write; info: Write; warn: Write };

/** A log that drops everything. */
export const silent: EngineLog = { debug: () => {}, info: () => {}, warn: () => {} };
