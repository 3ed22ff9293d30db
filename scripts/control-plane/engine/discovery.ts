// SPDX-License-Identifier: Apache-2.0
// Looks up resources by plural name or kind, and caches each group version.
import type { KubeClient, ResourceInfo } from "../client.ts";
import { apiFault, fault, type Outcome, ok } from "./outcome.ts";

export type Discovery = {
  /** Looks a resource up, `v1` and `secrets`; asks the server again where it is not known yet. */
  byPlural: (apiVersion: string, plural: string) => Promise<Outcome<ResourceInfo>>;
  byKind: (apiVersion: string, kind: string) => Promise<Outcome<ResourceInfo>>;
  /** Forgets everything: a definition may have changed. */
  forget: () => void;
};

export const createDiscovery = (client: KubeClient): Discovery => {
  const known = new Map<string, ResourceInfo[]>();
  const find = async (
    apiVersion: string,
    what: string,
    matches: (resource: ResourceInfo) => boolean,
  ): Promise<Outcome<ResourceInfo>> => {
    const remembered = known.get(apiVersion)?.find(matches);
    if (remembered) return ok(remembered);
    const answer = await client.resources(apiVersion);
    if (!answer.ok && answer.status !== 404) return apiFault(`discovery of ${apiVersion}`, answer);
    if (answer.ok) known.set(apiVersion, answer.value);
    const found = answer.ok ? answer.value.find(matches) : undefined;
    return found ? ok(found) : fault(`discovery: can't find ${what} in apiVersion ${apiVersion}`);
  };
  return {
    byPlural: (apiVersion, plural) =>
      find(apiVersion, `resource ${plural}`, (resource) => resource.plural === plural),
    byKind: (apiVersion, kind) => find(apiVersion, `kind ${kind}`, (resource) => resource.kind === kind),
    forget: () => known.clear(),
  };
};
