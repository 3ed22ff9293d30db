// SPDX-License-Identifier: Apache-2.0
// Reads from the manifests what a pod tells Node and the C library about memory, so that the bench measures what is installed.
import { readFileSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse } from "yaml";

const Pod = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      spec: Type.Object({
        containers: Type.Array(
          Type.Object({
            env: Type.Array(Type.Object({ name: Type.String(), value: Type.Optional(Type.String()) })),
          }),
        ),
      }),
    }),
  }),
});
const OF_RUNTIME = ["NODE_OPTIONS", "MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_"];

/** Of a Deployment or DaemonSet, by its path in manifests/. */
export const runtimeEnv = (file: string): Record<string, string> => {
  const pod: unknown = parse(readFileSync(new URL(`../../manifests/${file}`, import.meta.url), "utf8"));
  if (!Value.Check(Pod, pod)) throw new Error(`manifests/${file} is not as it was`);
  const all = pod.spec.template.spec.containers.flatMap(({ env }) => env);
  return Object.fromEntries(
    all.flatMap(({ name, value }) =>
      OF_RUNTIME.includes(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
};
