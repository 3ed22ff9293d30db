// SPDX-License-Identifier: Apache-2.0
// Tests a Toggle over an outage of the webhook and a restart of Metacontroller, also with another apply strategy.
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { stillFor } from "./idle.ts";
import {
  hasReplicas,
  runningWeb,
  says,
  selecting,
  switchOff,
  switchOn,
  switchWeb,
} from "./toggle-fixture.ts";

const two = [
  ["Deployment", "web"],
  ["Toggle", "web"],
] as const;

/** Does `work`. @throws Error if the Deployment or the Toggle `web` has another version after it */
const leavesAsItIs = async (scene: Scene, work: () => Promise<void>): Promise<void> => {
  const read = () =>
    Promise.all(two.map(async ([kind, name]) => (await scene.read(kind, name))?.metadata.resourceVersion));
  const before = await read();
  await work();
  await scene.stack.idle();
  const after = await read();
  if (after.join() !== before.join()) {
    throw new Error(`written: versions ${before.join()} to ${after.join()}`);
  }
};

export const cases: readonly Case[] = [
  {
    title: "while the webhook is down a switch does nothing, and it is done when the webhook is back",
    alone: true,
    run: async (scene) => {
      await runningWeb(scene, 3);
      await scene.stack.stop("webhook");
      try {
        await switchWeb(scene, false);
        await stillFor(scene, two, 2);
        await hasReplicas(scene, "web", 3);
      } finally {
        await scene.stack.start("webhook");
      }
      await scene.becomes("web", "Off", 0);
      await switchOn(scene, 3);
    },
  },
  {
    title: "a restart of Metacontroller writes nothing to a Toggle or its Deployment, and the count is kept",
    alone: true,
    run: async (scene) => {
      await runningWeb(scene, 3);
      await switchOff(scene);
      await leavesAsItIs(scene, () => scene.stack.restartEngine());
      await switchOn(scene, 3);
      await leavesAsItIs(scene, () => scene.stack.restartEngine());
    },
  },
  {
    title: "under the other apply strategy live Toggles keep their counts, go on and are deleted as before",
    alone: true,
    run: async (scene) => {
      await runningWeb(scene, 3);
      await scene.deploy("api", 2);
      await scene.apply("Toggle", "api", { enabled: false, ...selecting("api") });
      await scene.becomes("api", "Off", 0);
      const { applyStrategy, stack } = scene;
      await stack.restartEngine(applyStrategy === "dynamic-apply" ? "server-side-apply" : "dynamic-apply");
      try {
        await stack.idle();
        await scene.becomes("api", "Off", 0);
        await scene.becomes("web", "Running", 3);
        await scene.patch("Toggle", "api", { spec: { enabled: true } });
        await scene.becomes("api", "Running", 2);
        await switchOff(scene);
      } finally {
        await stack.restartEngine(applyStrategy);
      }
      await switchOn(scene, 3);
      await scene.kubectl(["delete", "toggle", "web", "--cascade=orphan", "--timeout=60s"]);
      await hasReplicas(scene, "web", 3);
      await scene.patch("Toggle", "api", { spec: { enabled: false } });
      await scene.becomes("api", "Off", 0);
    },
  },
  {
    title: "a switch while Metacontroller is away is done when it is back",
    alone: true,
    run: async (scene) => {
      await runningWeb(scene, 3);
      await Promise.all([scene.stack.restartEngine(), switchWeb(scene, false)]);
      await says(scene, "web", "Off", /has no replicas/);
      await hasReplicas(scene, "web", 0);
    },
  },
];
