// SPDX-License-Identifier: Apache-2.0
// Reads the version of the package that this code is in: package.json is above both server/ and dist/server/.
import { existsSync, readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

const Package = Type.Object({ name: Type.Literal("keyswitch"), version: Type.String() });

export const packageVersion = (): string => {
  for (const up of ["../../package.json", "../../../package.json"]) {
    const file = new URL(up, import.meta.url);
    const found: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
    if (Value.Check(Package, found)) return found.version;
  }
  return "unknown";
};
