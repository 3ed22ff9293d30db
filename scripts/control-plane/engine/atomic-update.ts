// SPDX-License-Identifier: Apache-2.0
// Updates an object by read, change and write, with a retry on a conflict: for finalizers, owners and statuses.
import { setTimeout as delay } from "node:timers/promises";
import { copy } from "../api/json.ts";
import type { ApiResult, KubeClient, KubeObject, ResourceInfo } from "../client.ts";

// client-go's retry.DefaultBackoff.
const TRIES = 4;
const FIRST_DELAY_MS = 10;
const FACTOR = 5;

export type AtomicUpdate = {
  resource: ResourceInfo;
  /** Says which object is meant; one of the same name and another uid counts as not found. */
  original: KubeObject;
  /** Changes the fresh copy it gets; false says that nothing is to be written. */
  change: (fresh: KubeObject) => boolean;
  subresource?: "status";
};

/** Answers the object as it is on the server afterwards. */
export const updateAtomically = async (
  client: KubeClient,
  { resource, original, change, subresource }: AtomicUpdate,
): Promise<ApiResult<KubeObject>> => {
  const { namespace, name = "", uid } = original.metadata;
  let waitMs = FIRST_DELAY_MS;
  for (let attempt = 1; ; attempt += 1) {
    const fresh = await client.get(resource, { namespace, name });
    if (!fresh.ok) return fresh;
    if (fresh.value.metadata.uid !== uid) {
      const message = `can't update ${resource.kind} ${namespace ?? ""}/${name}: original object is gone`;
      return { ok: false, status: 404, reason: "NotFound", message };
    }
    const changed = copy(fresh.value);
    if (!change(changed)) return fresh;
    const written = await client.update(resource, changed, subresource);
    if (written.ok || written.status !== 409 || attempt === TRIES) return written;
    await delay(waitMs);
    waitMs *= FACTOR;
  }
};
