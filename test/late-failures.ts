// SPDX-License-Identifier: Apache-2.0
// Loaded into the process of each test file (`tap` in package.json): what fails after the file's tests have ended fails the
// file. tap alone prints such a fault and lets the file pass, as when a test is made too late to be run.
import t from "tap";

// Processes that the file forks take these arguments over, and are no test files.
process.execArgv = process.execArgv.filter((argument) => !argument.endsWith("/test/late-failures.ts"));

process.on("exit", () => {
  if (t.results?.ok === false) process.exitCode = 1;
});
