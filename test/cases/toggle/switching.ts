// SPDX-License-Identifier: Apache-2.0
// Tests a Toggle that switches a Deployment off and on, by each kind of change.
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import {
  hasReplicas,
  leaves,
  runningWeb,
  says,
  scaleWeb,
  selecting,
  switchOff,
  switchOn,
} from "./toggle-fixture.ts";

/** The ways to change spec.enabled, in turn off and on. */
const switches = (scene: Scene): readonly ((enabled: boolean) => Promise<unknown>)[] => {
  const { kubectl } = scene;
  const manifest = (enabled: boolean) =>
    JSON.stringify({
      apiVersion: "toggle.j5t.io/v1alpha1",
      kind: "Toggle",
      metadata: { name: "web" },
      spec: { enabled, ...selecting("web") },
    });
  const pointer = (value: boolean) => JSON.stringify([{ op: "replace", path: "/spec/enabled", value }]);
  const forced = ["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-"];
  return [
    (enabled) => kubectl(["patch", "toggle", "web", "--type=json", "-p", pointer(enabled)]),
    (enabled) => kubectl(["apply", "-f", "-"], manifest(enabled)),
    (enabled) => kubectl(forced, manifest(enabled)),
    (enabled) => kubectl(["replace", "-f", "-"], manifest(enabled)),
  ];
};

export const cases: readonly Case[] = [
  {
    title: "a Toggle switches its Deployment off, and back to the count that it had",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await switchOff(scene);
      await switchOn(scene, 3);
    },
  },
  {
    title: "a Toggle is switched by a JSON patch, by apply, by forced server-side apply and by replace alike",
    run: async (scene) => {
      await runningWeb(scene, 3);
      let enabled = false;
      for (const change of switches(scene)) {
        await change(enabled);
        await scene.becomes("web", enabled ? "Running" : "Off", enabled ? 3 : 0);
        enabled = !enabled;
      }
    },
  },
  {
    title: "a Toggle that is off twice, or off from its beginning, still gives the count back",
    run: async (scene) => {
      await scene.deploy("web", 3);
      await scene.apply("Toggle", "web", { enabled: false, ...selecting("web") });
      await scene.becomes("web", "Off", 0);
      await scene.patch("Toggle", "web", { spec: { enabled: false, reason: "again" } });
      await scene.patch("Toggle", "web", { spec: { enabled: true, reason: null } });
      await scene.becomes("web", "Running", 3);
    },
  },
  {
    title: "a Toggle without enabled leaves the count that others set, 0 among them, until somebody sets it",
    run: async (scene) => {
      await scene.deploy("web", 0);
      await scene.apply("Toggle", "web", selecting("web"));
      await says(scene, "web", "Off", /has not been switched yet/);
      await hasReplicas(scene, "web", 0);
      await scaleWeb(scene, 2);
      await leaves(scene, 2);
      await switchOff(scene);
      await switchOn(scene, 2);
    },
  },
  {
    title: "spec.replicas is what a Toggle switches on to, whatever the Deployment had",
    run: async (scene) => {
      await runningWeb(scene, 3);
      await scene.patch("Toggle", "web", { spec: { replicas: 2 } });
      await scene.becomes("web", "Running", 2);
      await switchOff(scene);
      await scene.patch("Toggle", "web", { spec: { enabled: true, replicas: 4 } });
      await scene.becomes("web", "Running", 4);
    },
  },
  {
    title: "a Deployment at 0 of which no count is known is started with 1",
    run: async (scene) => {
      await scene.deploy("web", 0);
      await scene.apply("Toggle", "web", { enabled: true, ...selecting("web") });
      await scene.becomes("web", "Running", 1);
    },
  },
];
