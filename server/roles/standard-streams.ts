// SPDX-License-Identifier: Apache-2.0
// Writes what a command prints to the standard streams of the process.

export const standardStreams = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
};
