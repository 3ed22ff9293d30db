// SPDX-License-Identifier: Apache-2.0
// Writes a kustomize overlay of the manifests for an engine that can't resolve the webhook's Service name.
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const MANIFESTS = fileURLToPath(new URL("../../manifests", import.meta.url));

/** A kustomization of the manifests whose webhook is a port of this machine. */
export const overlayFor = (folder: string, port: number): string => {
  const patch = ["customize", "sync", "finalize"].flatMap((hook) =>
    ["hsmsecret", "toggle"].map((name) => ({
      target: { kind: "CompositeController", name },
      patch: JSON.stringify([
        {
          op: "replace",
          path: `/spec/hooks/${hook}/webhook/url`,
          value: `https://127.0.0.1:${port}/hooks/${name}/${hook}`,
        },
      ]),
    })),
  );
  mkdirSync(folder);
  const kustomization = {
    resources: [relative(realpathSync(folder), MANIFESTS)],
    patches: patch,
  };
  writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
  return folder;
};
