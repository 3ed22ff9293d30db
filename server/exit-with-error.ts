// SPDX-License-Identifier: Apache-2.0
// Ends a process that can't do its work: says why on stderr, and has it exit with 1.

export const exitWithError = (text: string): void => {
  process.stderr.write(text);
  process.exitCode = 1;
};
