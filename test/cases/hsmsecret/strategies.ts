// SPDX-License-Identifier: Apache-2.0
// Tests a restart of Metacontroller with the other apply strategy while HSMSecrets exist, and back.
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { editSecret, hasCondition, syncedDatabase } from "./database-fixture.ts";

const LAST_APPLIED = "metacontroller.k8s.io/last-applied-configuration";
const STRATEGIES = ["dynamic-apply", "server-side-apply"] as const;
type Strategy = (typeof STRATEGIES)[number];

/** Waits until the status says whether the Secret's data are in the annotation of dynamic apply. */
const leaks = (scene: Scene, isSo: boolean) =>
  scene.until(
    `it ${isSo ? "tells" : "does not tell"} of the annotation`,
    ["HSMSecret", "database"],
    (object) => hasCondition(object, "LastAppliedLeak") === isSo && hasCondition(object, "Stalled") === isSo,
  );

const tried = async (scene: Scene, strategy: Strategy, data: Record<string, string>): Promise<void> => {
  await scene.stack.restartEngine(strategy);
  await editSecret(scene);
  await scene.settled("database", "True Synced", data);
  if (strategy === "server-side-apply") {
    await scene.kubectl(["annotate", "secret", "database", `${LAST_APPLIED}-`]);
  }
  await leaks(scene, strategy === "dynamic-apply");
  await scene.settled("database", "True Synced", data);
};

export const cases: readonly Case[] = [
  {
    title:
      "the apply strategy is changed and changed back, an edit is put back under each, and a leak is told of",
    alone: true,
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await leaks(scene, scene.applyStrategy === "dynamic-apply");
      try {
        for (const other of STRATEGIES) if (other !== scene.applyStrategy) await tried(scene, other, data);
      } catch (error) {
        await scene.stack.restartEngine(scene.applyStrategy);
        throw error;
      }
      await tried(scene, scene.applyStrategy, data);
    },
  },
];
