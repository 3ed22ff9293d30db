// SPDX-License-Identifier: Apache-2.0
// Tests that a settled or waiting Toggle causes no hot loop of syncs.

import type { Kind } from "../../../scripts/local/kinds.ts";
import type { Case } from "../case.ts";

import { isQuiet } from "./idle.ts";
import { leaves, runningWeb, says, selecting } from "./toggle-fixture.ts";

const template = { spec: { containers: [{ name: "web", image: "registry.example/none" }] } };

export const cases: readonly Case[] = [
  {
    title: "while nothing happens no Toggle's hook is called, and no Toggle or Deployment is written",
    alone: true,
    run: async (scene) => {
      await runningWeb(scene, 2, { replicaPolicy: "Floor" });
      await scene.kubectl(["scale", "deployment", "web", "--replicas=4"]);
      await leaves(scene, 4);
      for (const name of ["on", "off", "held", "needed"]) await scene.deploy(name, 2);
      await scene.deploy("waiting", 0);
      const specs: Readonly<Record<string, object>> = {
        on: { enabled: true, until: "2100-01-01T00:00:00Z" },
        off: { enabled: false },
        held: { enabled: true },
        made: { enabled: true, template },
        absent: { enabled: true },
        needed: { enabled: true, dependsOn: ["on"] },
        waiting: { enabled: true, dependsOn: ["off", "needed"] },
      };
      for (const [name, spec] of Object.entries(specs)) {
        await scene.apply("Toggle", name, { ...selecting(name), ...spec });
      }
      await scene.becomes("on", "Running", 2);
      await scene.becomes("off", "Off", 0);
      await scene.becomes("held", "Running", 2);
      await scene.kubectl(["delete", "toggle", "held", "--wait=false"]);
      await says(scene, "held", "Blocked", /--cascade=orphan/);
      await says(scene, "made", "Blocked", /does not allow templates/);
      await says(scene, "waiting", "Starting", /It waits for off \(not running\)\.$/);
      await scene.becomes("needed", "Running", 2);
      await says(scene, "absent", "Missing", /There is no Deployment absent/);
      const toggles = ["web", ...Object.keys(specs)].map((name): [Kind, string] => ["Toggle", name]);
      const deployments = ["web", "on", "off", "held", "needed", "waiting"].map((name): [Kind, string] => [
        "Deployment",
        name,
      ]);
      await isQuiet(scene, [...toggles, ...deployments]);
    },
  },
];
