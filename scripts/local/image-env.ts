// SPDX-License-Identifier: Apache-2.0
// Reads from the Dockerfile which variables the image sets, so that the local run and the bench have what is installed.
import { readFileSync } from "node:fs";

/** Those of the last stage. */
export const imageEnv = (): Record<string, string> => {
  const text = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8").replaceAll(/\\\n\s*/g, " ");
  const [line = ""] = text.match(/(?<=^ENV ).*$/gm)?.slice(-1) ?? [];
  const found = [...line.matchAll(/([A-Z0-9_]+)=(?:"([^"]*)"|(\S+))/g)];
  if (found.length === 0) throw new Error("the Dockerfile sets no variables any more");
  return Object.fromEntries(found.map(([, name = "", quoted, plain = ""]) => [name, quoted ?? plain]));
};
