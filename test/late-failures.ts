// SPDX-License-Identifier: Apache-2.0
// Fails a test file for errors after its tests have ended; it is loaded into the process of each test file (`tap` in
// package.json). tap alone prints such an error and lets the file pass, as when a test is created too late to be run.
import t from "tap";

// Processes that the file forks take these arguments over, and are no test files.
process.execArgv = process.execArgv.filter((argument) => !argument.endsWith("/test/late-failures.ts"));

process.on("exit", () => {
  if (t.results?.ok === false) process.exitCode = 1;
});
