// SPDX-License-Identifier: Apache-2.0
// Replaces credentials as docs/install.md says, and has Metacontroller read the new ones by a change of its controllers.
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { rotate } from "./rotation.ts";
import { countHookAnswers, refuseRefusals, startSteadySyncs } from "./steady-syncs.ts";

/** test/end-to-end/rotation tries the local one, more closely. */
const needs = "Metacontroller's own reading of its credentials";
/** How long a wait of the script for Metacontroller is here. */
const settleMs = (): number => 4000;

/** What tells Metacontroller to start its controllers anew. */
const generationsOf = ({ kubectl }: Scene) =>
  kubectl(["get", "compositecontrollers", "-o", "jsonpath={.items[*].spec.hooks.sync.webhook.path}"]);

/** A change on the token reaches the Secret. */
const syncs = async (scene: Scene): Promise<void> => {
  const data = { key: scene.value() };
  await scene.put("database", data);
  await scene.settled("database", "True Synced", data);
};

/** Does `work` while syncs go on. @throws Error if a hook is refused meanwhile */
const underSyncs = async (scene: Scene, work: () => Promise<void>): Promise<void> => {
  const data = { key: scene.value() };
  await scene.put("database", data);
  await scene.apply("HSMSecret", "database", {});
  await scene.settled("database", "True Synced", data);
  const answers = await countHookAnswers(scene.stack);
  const place = { namespace: scene.namespace, names: ["database"] };
  const steady = startSteadySyncs(scene.client, place, 100);
  try {
    await work();
  } finally {
    await steady.end();
  }
  const counted = await answers();
  refuseRefusals(counted);
  if (counted.answered < 10) throw new Error(`only ${counted.answered} hooks were called`);
};

export const cases: readonly Case[] = [
  {
    title:
      "tokens are replaced by add, use and drop, after each of which changes are synced, and no hook is refused",
    alone: true,
    needs,
    run: (scene) =>
      underSyncs(scene, async () => {
        const before = await generationsOf(scene);
        for (const step of ["add", "use", "drop"]) {
          await rotate(scene.stack, ["--rotate-tokens", step], settleMs);
          await syncs(scene);
        }
        if ((await generationsOf(scene)) === before) throw new Error("Metacontroller was not told");
      }),
  },
  {
    title: "certificates are replaced under a new CA, changes are synced, and no hook is refused",
    alone: true,
    needs,
    run: (scene) =>
      underSyncs(scene, async () => {
        const before = await generationsOf(scene);
        await rotate(scene.stack, ["--rotate", "--only", "tls", "--san", "127.0.0.1"], settleMs);
        await syncs(scene);
        if ((await generationsOf(scene)) === before) throw new Error("Metacontroller was not told");
      }),
  },
];
