// SPDX-License-Identifier: Apache-2.0
// Has the signals that end a command end it by an exit, at which its processes and files are removed.

const CODES = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** Until the answer is called. A signal that comes during the exit does not cut what is done there. */
export const exitOnSignals = (): (() => void) => {
  const undone = CODES.map(([signal, code]) => {
    const exit = (): void => process.exit(code);
    process.on(signal, exit);
    return () => process.off(signal, exit);
  });
  return () => {
    for (const undo of undone) undo();
  };
};
