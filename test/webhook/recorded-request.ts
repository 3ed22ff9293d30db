// SPDX-License-Identifier: Apache-2.0
// Loads the hook requests that were recorded from Metacontroller, as fresh objects that a test may change.
import { readFileSync } from "node:fs";

// biome-ignore lint/suspicious/noExplicitAny: a recorded body is changed in ways that no type allows
export type RecordedBody = any;

/** The body of test/fixtures/metacontroller-4.17.2/<name>.json. */
export const recordedBody = (name: string): RecordedBody => {
  const url = new URL(`../fixtures/metacontroller-4.17.2/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")).body;
};
