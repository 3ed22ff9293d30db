// SPDX-License-Identifier: Apache-2.0
// A Toggle switches a Deployment off and on.
import type { Case } from "../case.ts";

const web = { selector: { matchLabels: { app: "web" } } };

export const cases: readonly Case[] = [
  {
    title: "a Toggle switches its Deployment off, and back to the count that it had",
    run: async (scene) => {
      await scene.deploy("web", 3);
      await scene.apply("Toggle", "web", { enabled: true, ...web });
      await scene.becomes("web", "Running", 3);
      await scene.patch("Toggle", "web", { spec: { enabled: false } });
      await scene.becomes("web", "Off", 0);
      await scene.patch("Toggle", "web", { spec: { enabled: true } });
      await scene.becomes("web", "Running", 3);
    },
  },
];
