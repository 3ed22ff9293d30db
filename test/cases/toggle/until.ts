// SPDX-License-Identifier: Apache-2.0
// Tests spec.until, which switches off at a given time.
import type { Case } from "../case.ts";
import { hasReplicas, runningWeb, says, selecting } from "./toggle-fixture.ts";

const inSeconds = (seconds: number) => `${new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19)}Z`;

export const cases: readonly Case[] = [
  {
    title: "a Toggle goes off by itself when spec.until has come, and on again when that is taken out",
    run: async (scene) => {
      await runningWeb(scene, 3);
      const until = inSeconds(3);
      await scene.patch("Toggle", "web", { spec: { until } });
      await says(scene, "web", "Off", new RegExp(`It is off since ${until} \\(spec.until\\)`));
      await hasReplicas(scene, "web", 0);
      await scene.patch("Toggle", "web", { spec: { until: null, enabled: true } });
      await scene.becomes("web", "Running", 3);
    },
  },
  {
    title: "a time that has passed is off at once, and a later one on; off stays off at either",
    run: async (scene) => {
      await scene.deploy("web", 3);
      await scene.apply("Toggle", "web", { enabled: true, until: inSeconds(-60), ...selecting("web") });
      await says(scene, "web", "Off", /It is off since/);
      await scene.patch("Toggle", "web", { spec: { until: inSeconds(3600) } });
      await scene.becomes("web", "Running", 3);
      await scene.patch("Toggle", "web", { spec: { enabled: false } });
      await scene.becomes("web", "Off", 0);
    },
  },
  {
    title: "a Toggle that was never switched goes off at spec.until as well",
    run: async (scene) => {
      await scene.deploy("web", 2);
      await scene.apply("Toggle", "web", { until: inSeconds(2), ...selecting("web") });
      await says(scene, "web", "Off", /It is off since/);
      await scene.patch("Toggle", "web", { spec: { until: null, enabled: true } });
      await scene.becomes("web", "Running", 2);
    },
  },
];
