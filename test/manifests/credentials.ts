// SPDX-License-Identifier: Apache-2.0
// Runs scripts/credentials.sh, and reads what it created.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { as, manifestsIn, root } from "./rendered.ts";

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script with these arguments. Its standard output is a pipe, and there is no terminal. */
export const credentials = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Run => {
  const { status, stdout, stderr } = spawnSync(
    "setsid",
    ["-w", join(root, "scripts/credentials.sh"), ...args],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    },
  );
  return { code: status, stdout, stderr };
};

const PrintedSecret = Type.Object(
  {
    apiVersion: Type.Literal("v1"),
    kind: Type.Literal("Secret"),
    metadata: Type.Object({
      name: Type.String(),
      namespace: Type.String(),
      labels: Type.Object({ "app.kubernetes.io/part-of": Type.Literal("keyswitch") }),
    }),
    type: Type.String(),
    data: Type.Record(Type.String(), Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
);

/** The Secrets in printed manifests, by name, with their values decoded. */
export const secretsIn = (text: string): Map<string, { type: string; data: Map<string, Buffer> }> =>
  new Map(
    manifestsIn(text).map((manifest) => {
      const { metadata, type, data } = as(PrintedSecret, manifest);
      const decoded = Object.entries(data).map(
        ([key, value]) => [key, Buffer.from(value, "base64")] as const,
      );
      return [metadata.name, { type, data: new Map(decoded) }] as const;
    }),
  );
