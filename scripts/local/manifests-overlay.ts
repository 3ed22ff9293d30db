// SPDX-License-Identifier: Apache-2.0
// Writes kustomize overlays of the manifests: for an engine that can't resolve the webhook's Service name, and with HSMDevices.
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const MANIFESTS = fileURLToPath(new URL("../../manifests", import.meta.url));

/**
 * The folder that `kubectl apply -k` takes: the manifests, or an overlay in `folder`. `webhookPort`: the webhook is this port of this
 * machine. `hasDevices`: with HSMDevices, where the webhook is found by its name.
 */
export const manifestsFor = ({
  folder,
  webhookPort,
  hasDevices,
}: {
  folder: string;
  webhookPort?: number;
  hasDevices: boolean;
}): string => {
  if (webhookPort !== undefined) return overlayFor(folder, webhookPort);
  return hasDevices ? overlayWithDevices(folder) : MANIFESTS;
};

/** A kustomization of the manifests whose webhook is a port of this machine. */
const overlayFor = (folder: string, port: number): string => {
  const patches = ["customize", "sync", "finalize"].flatMap((hook) =>
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
  return write(folder, (manifests) => ({ resources: [manifests("")], patches }));
};

/** A kustomization of the manifests with discovery and HSMDevices, as docs/hsmdevice.md installs them. */
const overlayWithDevices = (folder: string): string =>
  write(folder, (manifests) => ({
    resources: [manifests(""), manifests("discovery")],
    components: [manifests("hsmdevice")],
  }));

/** `content` is given the paths of the manifests as the new folder sees them. */
const write = (folder: string, content: (manifests: (path: string) => string) => object): string => {
  mkdirSync(folder);
  const from = realpathSync(folder);
  const kustomization = content((path) => relative(from, join(MANIFESTS, path)));
  writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
  return folder;
};
