// SPDX-License-Identifier: Apache-2.0
// Shares Node's compile cache between the processes of a test run: tests start hundreds.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const makeOwn = (): string => {
  const own = mkdtempSync(join(tmpdir(), "keyswitch-cache-"));
  process.once("exit", () => rmSync(own, { recursive: true, force: true, maxRetries: 5 }));
  return own;
};

/** The run's folder (`npm test` makes one), or one of this file's own. */
export const compileCache = process.env.NODE_COMPILE_CACHE ?? makeOwn();
