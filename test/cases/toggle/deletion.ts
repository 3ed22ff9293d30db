// SPDX-License-Identifier: Apache-2.0
// Tests the deletion of a Toggle in each way that kubectl has, with its Deployment.
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { hasReplicas, isLetGo, runningWeb, says, selecting, switchOff } from "./toggle-fixture.ts";

const remove = (scene: Scene, ...options: string[]) =>
  scene.kubectl(["delete", "toggle", "web", "--timeout=60s", ...options]);

export const cases: readonly Case[] = [
  {
    title:
      "a deletion of a Toggle waits, with the Deployment as it is, until it is repeated with --cascade=orphan",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await remove(scene, "--wait=false");
      await says(scene, "web", "Blocked", /kubectl delete toggle web -n \S+ --cascade=orphan/);
      await hasReplicas(scene, "web", 3);
      await remove(scene, "--cascade=orphan");
      await isLetGo(scene, "web");
      await hasReplicas(scene, "web", 3);
    },
  },
  {
    title: "kubectl delete --cascade=orphan keeps the Deployment at its count in one step",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await remove(scene, "--cascade=orphan");
      await isLetGo(scene, "web");
      await hasReplicas(scene, "web", 3);
    },
  },
  {
    title: "a Toggle that is deleted while off leaves 0, and one of its name gives the count back",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await switchOff(scene);
      await remove(scene, "--cascade=orphan");
      await isLetGo(scene, "web");
      await hasReplicas(scene, "web", 0);
      await scene.apply("Toggle", "web", { enabled: true, ...selecting("web") });
      await scene.becomes("web", "Running", 3);
    },
  },
  {
    title: "a deletion in the foreground takes the Deployment along",
    run: async (scene) => {
      await runningWeb(scene, 2);
      await remove(scene, "--cascade=foreground");
      await scene.gone("Deployment", "web");
    },
  },
  {
    title: "with deletionPolicy Delete the Deployment goes with its Toggle",
    run: async (scene) => {
      await runningWeb(scene, 2, { deletionPolicy: "Delete" });
      await remove(scene);
      await scene.gone("Deployment", "web");
    },
  },
  {
    title: "deletionPolicy can be set to Delete while a deletion waits",
    run: async (scene) => {
      await runningWeb(scene, 2);
      await remove(scene, "--wait=false");
      await says(scene, "web", "Blocked", /set spec.deletionPolicy to Delete/);
      await scene.patch("Toggle", "web", { spec: { deletionPolicy: "Delete" } });
      await scene.gone("Toggle", "web");
      await scene.gone("Deployment", "web");
    },
  },
  {
    title:
      "with deletionPolicy Delete another Deployment that the selector matches holds the deletion up, and is never deleted",
    run: async (scene) => {
      const tier = { tier: "front" };
      await scene.deploy("other", 2, tier);
      await scene.deploy("web", 2, tier);
      const spec = { enabled: true, deletionPolicy: "Delete", selector: { matchLabels: tier } };
      await scene.apply("Toggle", "web", spec);
      await says(scene, "web", "Running", /also matches other/);
      await remove(scene, "--wait=false");
      await says(scene, "web", "Blocked", /would delete the Deployment other,/);
      await remove(scene, "--cascade=orphan");
      await isLetGo(scene, "other");
      await hasReplicas(scene, "other", 2);
      await hasReplicas(scene, "web", 2);
    },
  },
  {
    title: "a Toggle without a Deployment is deleted at once",
    run: async (scene) => {
      await scene.apply("Toggle", "web", { enabled: false, ...selecting("web") });
      await says(scene, "web", "Missing", /There is no Deployment web/);
      await remove(scene);
    },
  },
  {
    title: "a namespace with Toggles, one of them held up, can be deleted",
    run: async (scene) => {
      await runningWeb(scene, 2);
      await scene.deploy("api", 1);
      await scene.apply("Toggle", "api", { enabled: false, ...selecting("api") });
      await scene.becomes("api", "Off", 0);
      await remove(scene, "--wait=false");
      await says(scene, "web", "Blocked", /--cascade=orphan/);
      await scene.kubectl(["delete", "namespace", scene.namespace, "--wait=false"]);
      await scene.gone("Namespace", scene.namespace);
    },
  },
];
