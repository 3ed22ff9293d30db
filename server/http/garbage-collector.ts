// SPDX-License-Identifier: Apache-2.0
// Runs V8's garbage collector after large requests and responses, so that the process gives their memory back soon.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * A function that is told of the bytes of each large body that is over, and has V8 collect garbage once it has been told of
 * so many. By itself V8 lets the memory grow to a multiple of what is in use before it looks.
 */
export const createGarbageCollector = (everyBytes: number): ((bytes: number) => void) => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  let bytesSince = 0;
  return (bytes) => {
    bytesSince += bytes;
    if (bytesSince < everyBytes) return;
    bytesSince = 0;
    setImmediate(collect);
  };
};
