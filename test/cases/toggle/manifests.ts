// SPDX-License-Identifier: Apache-2.0
// Tests applying the Deployment's own manifest again while its Toggle has it switched off.
import type { Case } from "../case.ts";
import { deploymentOf, replicasOf, type Scene } from "../scene.ts";
import { isRefused, says, selecting, switchOn } from "./toggle-fixture.ts";

const manifest = (replicas: number | undefined, image: string) => {
  const { spec, ...rest } = deploymentOf("web", replicas);
  const { template } = spec;
  const containers = [{ name: "web", image }];
  return JSON.stringify({ ...rest, spec: { ...spec, template: { ...template, spec: { containers } } } });
};
const [first, second, third] = ["a", "b", "c"].map((tag) => `registry.example/none:${tag}`) as [
  string,
  string,
  string,
];

/** Applies with `args`, and makes the Toggle that switches off what comes of it. */
const switchedOff = async (scene: Scene, args: readonly string[], replicas: number): Promise<void> => {
  await scene.kubectl(args, manifest(replicas, first));
  await scene.apply("Toggle", "web", { enabled: false, ...selecting("web") });
  await scene.becomes("web", "Off", 0);
};

/** Waits until the Deployment has the image that was applied, and is off all the same. */
const isOffWith = async (scene: Scene, image: string): Promise<void> => {
  await scene.until(`it is at 0 with ${image}`, ["Deployment", "web"], (deployment) =>
    Boolean(replicasOf(deployment) === 0 && JSON.stringify(deployment).includes(`"image":"${image}"`)),
  );
  await says(scene, "web", "Off", /has no replicas/);
};

export const cases: readonly Case[] = [
  {
    title:
      "kubectl apply of the Deployment with a count, or without the one that it had, switches nothing on",
    run: async (scene) => {
      const apply = ["apply", "-f", "-"];
      await switchedOff(scene, apply, 3);
      await scene.kubectl(apply, manifest(3, second));
      await isOffWith(scene, second);
      await scene.kubectl(apply, manifest(undefined, third));
      await isOffWith(scene, third);
      await switchOn(scene, 3);
    },
  },
  {
    title:
      "server-side apply of the Deployment is told who has the count; forced, or without a count, it switches nothing on",
    run: async (scene) => {
      const apply = ["apply", "--server-side", "-f", "-"];
      await switchedOff(scene, apply, 3);
      await isRefused(scene, apply, manifest(3, second), /conflict.*metacontroller[\s\S]*\.spec\.replicas/);
      await scene.kubectl([...apply, "--force-conflicts"], manifest(3, second));
      await isOffWith(scene, second);
      await scene.kubectl(apply, manifest(undefined, third));
      await isOffWith(scene, third);
      await switchOn(scene, 3);
    },
  },
];
