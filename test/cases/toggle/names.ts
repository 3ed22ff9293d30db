// SPDX-License-Identifier: Apache-2.0
// Tests which Deployment a Toggle controls: by name, whether it exists yet, and beside others that the selector matches.
import type { Case } from "../case.ts";
import {
  hasCondition,
  hasReplicas,
  isLetGo,
  runningWeb,
  says,
  selecting,
  switchOff,
  switchOn,
} from "./toggle-fixture.ts";

export const cases: readonly Case[] = [
  {
    title: "a Toggle switches the Deployment of spec.deploymentName",
    run: async (scene) => {
      await scene.deploy("web", 2);
      await scene.apply("Toggle", "night", { enabled: false, deploymentName: "web", ...selecting("web") });
      await scene.becomes("night", "Off", 0, "web");
      await scene.patch("Toggle", "night", { spec: { enabled: true } });
      await scene.becomes("night", "Running", 2, "web");
    },
  },
  {
    title: "a Toggle waits for a Deployment that is not there yet, and switches it when it comes",
    run: async (scene) => {
      await scene.apply("Toggle", "web", { enabled: false, ...selecting("web") });
      await says(scene, "web", "Missing", /There is no Deployment web/);
      await scene.deploy("web", 3);
      await scene.becomes("web", "Off", 0);
      await switchOn(scene, 3);
    },
  },
  {
    title: "a Deployment without the labels of the selector is a Conflict, and is adopted when it gets them",
    run: async (scene) => {
      await scene.deploy("web", 3);
      await scene.apply("Toggle", "web", { enabled: false, ...selecting("front") });
      await says(scene, "web", "Conflict", /without the labels of spec.selector \(app=front\)/);
      await hasReplicas(scene, "web", 3);
      await scene.kubectl(["label", "deployment", "web", "app=front", "--overwrite"]);
      await scene.becomes("web", "Off", 0);
    },
  },
  {
    title: "a Deployment made anew under its name is switched as the one before, on and off",
    run: async (scene) => {
      const remake = async (replicas: number) => {
        await scene.kubectl(["delete", "deployment", "web"]);
        await says(scene, "web", "Missing", /There is no Deployment web/);
        await scene.deploy("web", replicas);
      };
      await runningWeb(scene, 3);
      await remake(2);
      await scene.becomes("web", "Running", 3);
      await switchOff(scene);
      await remake(2);
      await scene.becomes("web", "Off", 0);
      await switchOn(scene, 3);
    },
  },
  {
    title: "with another spec.deploymentName the Deployment of before stays at its count",
    run: async (scene) => {
      const both = { selector: { matchLabels: { tier: "front" } } };
      await scene.deploy("old", 3, { tier: "front" });
      await scene.deploy("new", 2, { tier: "front" });
      await scene.apply("Toggle", "web", { enabled: false, deploymentName: "old", ...both });
      await scene.becomes("web", "Off", 0, "old");
      await scene.patch("Toggle", "web", { spec: { deploymentName: "new" } });
      await scene.becomes("web", "Off", 0, "new");
      await scene.patch("Toggle", "web", { spec: { enabled: true } });
      await scene.becomes("web", "Running", 2, "new");
      await hasReplicas(scene, "old", 0);
    },
  },
  {
    title:
      "another Deployment that the selector matches is left as it is and named, and let go when it matches no more",
    run: async (scene) => {
      const tier = { tier: "front" };
      await scene.deploy("web", 3, tier);
      await scene.deploy("other", 2, tier);
      await scene.apply("Toggle", "web", { enabled: false, selector: { matchLabels: tier } });
      await scene.becomes("web", "Off", 0);
      await hasCondition(scene, "web", "SelectorTooWide", /also matches other/);
      await hasReplicas(scene, "other", 2);
      await scene.patch("Toggle", "web", { spec: { selector: { matchLabels: { app: "web" } } } });
      await isLetGo(scene, "other");
      await scene.kubectl(["delete", "toggle", "web", "--cascade=orphan"]);
      await hasReplicas(scene, "web", 0);
      await hasReplicas(scene, "other", 2);
    },
  },
  {
    title: "of two Toggles for one Deployment the second waits, and has it when the first is gone",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await scene.apply("Toggle", "second", { enabled: false, deploymentName: "web", ...selecting("web") });
      await says(scene, "second", "Conflict", /belongs to Toggle web/);
      await hasReplicas(scene, "web", 3);
      await scene.kubectl(["delete", "toggle", "web", "--cascade=orphan"]);
      await scene.becomes("second", "Off", 0, "web");
      await scene.patch("Toggle", "second", { spec: { enabled: true } });
      await scene.becomes("second", "Running", 3, "web");
    },
  },
];
