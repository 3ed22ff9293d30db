// SPDX-License-Identifier: Apache-2.0
// Reads from the Dockerfile which variables and options of Node the image sets, so that the local run and the bench have what is installed.
import { readFileSync } from "node:fs";

const dockerfile = (): string =>
  readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8").replaceAll(/\\\n\s*/g, " ");

/** The variables of the last stage. */
export const imageEnv = (): Record<string, string> => {
  const [line = ""] =
    dockerfile()
      .match(/(?<=^ENV ).*$/gm)
      ?.slice(-1) ?? [];
  const found = [...line.matchAll(/([A-Z0-9_]+)=(?:"([^"]*)"|(\S+))/g)];
  if (found.length === 0) throw new Error("the Dockerfile sets no variables any more");
  return Object.fromEntries(found.map(([, name = "", quoted, plain = ""]) => [name, quoted ?? plain]));
};

/** What stands between `node` and the program in the entry point. */
export const imageOptions = (): string[] => {
  const [, options] = dockerfile().match(/^ENTRYPOINT .*exec node (.*?) ?dist\/server\/main\.js/m) ?? [];
  if (options === undefined) throw new Error("the Dockerfile's entry point is not as it was");
  return options.split(" ").filter(Boolean);
};
