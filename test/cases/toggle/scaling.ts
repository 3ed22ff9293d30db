// SPDX-License-Identifier: Apache-2.0
// Tests a Toggle whose Deployment others scale: by hand, repeatedly, by an autoscaler.
import type { Case } from "../case.ts";
import { replicasOf, type Scene, toggleStatusOf } from "../scene.ts";
import { stillFor } from "./idle.ts";
import {
  hasCondition,
  hasReplicas,
  leaves,
  runningWeb,
  scaleWeb,
  selecting,
  switchOff,
  switchOn,
} from "./toggle-fixture.ts";

/** Scales by hand, and waits until that was put back to `replicas` for the `times`th time in a row. */
const isPutBack = async (scene: Scene, times: number, replicas: number): Promise<void> => {
  await scaleWeb(scene, 5);
  await scene.until(`it has put back ${times} times`, ["Toggle", "web"], (toggle) => {
    const { lastScaled } = toggleStatusOf(toggle);
    return lastScaled?.putBacks === times;
  });
  await scene.until(
    `it has ${replicas}`,
    ["Deployment", "web"],
    (deployment) => replicasOf(deployment) === replicas,
  );
};

/** The same three times, after which the Toggle says who it was. */
const isContended = async (scene: Scene, replicas: number): Promise<void> => {
  for (const times of [1, 2, 3]) await isPutBack(scene, times, replicas);
  await hasCondition(scene, "web", "Contended", /Something else \(field manager .*kubectl.*\) scales/);
};

export const cases: readonly Case[] = [
  {
    title: "under Fixed kubectl scale is put back, and from the third time on the Toggle says who scales",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await isContended(scene, 3);
      await scene.becomes("web", "Degraded", 3);
      await switchOff(scene);
      await switchOn(scene, 3);
    },
  },
  {
    title: "a Deployment that is off is put back to 0 under both replica policies",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await switchOff(scene);
      await isContended(scene, 0);
      await scene.becomes("web", "Stopping", 0);
      await scene.patch("Toggle", "web", { spec: { replicaPolicy: "Floor" } });
      await scene.becomes("web", "Off", 0);
      await isPutBack(scene, 1, 0);
      await switchOn(scene, 3);
    },
  },
  {
    title: "under Floor what others scale to stays, and is what switching on gives back",
    run: async (scene) => {
      await runningWeb(scene, 2, { replicaPolicy: "Floor" });
      await scaleWeb(scene, 5);
      await leaves(scene, 5);
      await switchOff(scene);
      await switchOn(scene, 5);
    },
  },
  {
    title:
      "under Floor with spec.replicas a lower count is raised, a higher one stays, and switching on gives spec.replicas",
    run: async (scene) => {
      await runningWeb(scene, 2, { replicaPolicy: "Floor", replicas: 2 });
      await scaleWeb(scene, 1);
      await scene.until("its low count was seen", ["Toggle", "web"], (toggle) => {
        const { lastScaled } = toggleStatusOf(toggle);
        return lastScaled?.putBacks === 1;
      });
      await scene.becomes("web", "Running", 2);
      await scaleWeb(scene, 5);
      await leaves(scene, 5);
      await switchOff(scene);
      await switchOn(scene, 2);
    },
  },
  {
    title: "a HorizontalPodAutoscaler and a Toggle under Floor do not fight, on or off",
    needs: "a HorizontalPodAutoscaler's controller",
    run: async (scene) => {
      await runningWeb(scene, 1, { replicaPolicy: "Floor" });
      await scene.kubectl(["autoscale", "deployment", "web", "--min=4", "--max=6"]);
      await scene.becomes("web", "Running", 4);
      await leaves(scene, 4);
      const two = [
        ["Deployment", "web"],
        ["Toggle", "web"],
      ] as const;
      // It looks every 15 seconds.
      await stillFor(scene, two, 20);
      await switchOff(scene);
      await stillFor(scene, two, 20);
      await switchOn(scene, 4);
    },
  },
  {
    title: "two Toggles of one namespace switch two Deployments independently",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await scene.deploy("api", 2);
      await scene.apply("Toggle", "api", { enabled: false, ...selecting("api") });
      await scene.becomes("api", "Off", 0);
      await scene.becomes("web", "Running", 3);
      await switchOff(scene);
      await hasReplicas(scene, "api", 0);
    },
  },
];
