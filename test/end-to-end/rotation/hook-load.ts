// SPDX-License-Identifier: Apache-2.0
// Generates syncs without a pause: changes each object as soon as its last change was synced, and records every rejection.
import { setTimeout as delay } from "node:timers/promises";
import { createKubeClient, type ResourceInfo } from "../../../scripts/control-plane/client.ts";
import type { SyncRecord } from "../../../scripts/control-plane/engine/engine.ts";
import { createNotifier } from "../../../scripts/local/notifier.ts";

export type Loaded = { resource: ResourceInfo; namespace: string; name: string };

const PACE_MS = 50;

const keyOf = (kind: string, name: string): string => `${kind}/${name}`;

export const createHookLoad = () => {
  const notifier = createNotifier();
  const failures: string[] = [];
  const synced = new Map<string, number>();
  const countOf = (key: string): number => synced.get(key) ?? 0;
  let paused = false;
  let ended = false;
  let resting = 0;

  return {
    onSync: ({ parent, outcome, message }: SyncRecord) => {
      const key = keyOf(parent.kind, parent.name);
      if (outcome === "synced") synced.set(key, countOf(key) + 1);
      else failures.push(`${key}: ${message}`);
      notifier.notify();
    },
    /** The hooks that were refused, or not answered. */
    failures,
    syncs: (): number => [...synced.values()].reduce((sum, count) => sum + count, 0),
    /** Changes these objects until `end`. */
    start: (apiUrl: string, objects: readonly Loaded[]) => {
      const client = createKubeClient(apiUrl, "test");
      const lane = async ({ resource, namespace, name }: Loaded) => {
        const key = keyOf(resource.kind, name);
        for (let round = 0; !ended; round += 1) {
          if (paused) {
            resting += 1;
            notifier.notify();
            await notifier.until("the load goes on", () => !paused || ended);
            resting -= 1;
          }
          const [before, failed] = [countOf(key), failures.length];
          const body = JSON.stringify({ metadata: { annotations: { round: String(round) } } });
          const patch = { contentType: "application/merge-patch+json", body } as const;
          const answer = await client.patch(resource, { namespace, name }, patch);
          if (!answer.ok) throw new Error(`${key} could not be changed: ${answer.status}`);
          await notifier.until(`a sync of ${key}`, () => countOf(key) > before || failures.length > failed);
          // A pace that leaves the machine to the script.
          await delay(PACE_MS);
        }
      };
      const lanes = Promise.all(objects.map(lane));
      return {
        /** Resolves when each object was synced twice from now: the second one began after this. */
        flows: async (): Promise<void> => {
          const before = objects.map(({ resource, name }) => [resource.kind, name] as const);
          const wanted = before.map(
            ([kind, name]) => [keyOf(kind, name), countOf(keyOf(kind, name)) + 2] as const,
          );
          await notifier.until(
            "a sync of each",
            () => wanted.every(([key, count]) => countOf(key) >= count),
            {
              seen: () => failures.slice(-5).join("; "),
            },
          );
        },
        /** Does something while no object is changed. */
        paused: async (work: () => Promise<void>): Promise<void> => {
          paused = true;
          await notifier.until("the load rests", () => resting === objects.length);
          await work();
          paused = false;
          notifier.notify();
        },
        end: async (): Promise<void> => {
          ended = true;
          notifier.notify();
          await lanes;
          await client.close();
        },
      };
    },
  };
};
