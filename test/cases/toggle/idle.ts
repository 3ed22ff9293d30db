// SPDX-License-Identifier: Apache-2.0
// Checks that objects keep their resourceVersions and no hook is called while nothing happens.
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../../scripts/local/eventually.ts";
import type { Kind } from "../../../scripts/local/kinds.ts";
import type { Scene } from "../scene.ts";

type Named = readonly [Kind, string];

const versionsOf = (scene: Scene, objects: readonly Named[]) =>
  Promise.all(
    objects.map(async ([kind, name]) => {
      const version = (await scene.read(kind, name))?.metadata.resourceVersion;
      if (version === undefined) throw new Error(`there is no ${kind} ${name}`);
      return `${kind} ${name} at ${version}`;
    }),
  );

/** Waits `seconds`. @throws Error if one of `objects` was written meanwhile */
export const stillFor = async (scene: Scene, objects: readonly Named[], seconds: number): Promise<void> => {
  const before = await versionsOf(scene, objects);
  await sleep(seconds * 1000);
  const after = await versionsOf(scene, objects);
  const moved = after.filter((one, index) => one !== before[index]);
  if (moved.length > 0) {
    throw new Error(`written in ${seconds} s in which nothing happened: ${moved.join(", ")}`);
  }
};

/** How many calls of Toggle hooks the webhook has answered since it was started. */
const callsOf = async ({ stack }: Scene): Promise<number> => {
  const { body } = await stack.call("webhook", "/metrics");
  const counted = body.matchAll(/^keyswitch_hook_requests_total\{hook="toggle\/[^}]*\} (\d+)$/gm);
  return [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
};

/** Waits until no Toggle hook has been called for two seconds: what the cases before left behind is gone. */
const rests = (scene: Scene): Promise<true> =>
  eventually(
    "no hook is called",
    async () => {
      const before = await callsOf(scene);
      await sleep(2000);
      return (await callsOf(scene)) === before;
    },
    { seconds: scene.seconds },
  );

/** Waits the scene's quietSeconds. @throws Error if a Toggle hook was called meanwhile, or one of `objects` written */
export const isQuiet = async (scene: Scene, objects: readonly Named[]): Promise<void> => {
  await rests(scene);
  const before = await callsOf(scene);
  await stillFor(scene, objects, scene.quietSeconds);
  const calls = (await callsOf(scene)) - before;
  if (calls > 0) {
    throw new Error(`${calls} hooks were called in ${scene.quietSeconds} s in which nothing happened`);
  }
};
