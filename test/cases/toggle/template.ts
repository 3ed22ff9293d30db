// SPDX-License-Identifier: Apache-2.0
// Tests a Toggle's template where the installation forbids templates, as the manifests do.
import type { Case } from "../case.ts";
import { hasCondition, says, selecting, switchOn } from "./toggle-fixture.ts";

const template = { spec: { containers: [{ name: "web", image: "registry.example/none" }] } };

export const cases: readonly Case[] = [
  {
    title: "a template that is not allowed makes nothing, and the Toggle can be deleted at once",
    run: async (scene) => {
      await scene.apply("Toggle", "web", { enabled: true, template, ...selecting("web") });
      await says(scene, "web", "Blocked", /does not allow templates/);
      if ((await scene.list("Deployment")).length > 0) throw new Error("a Deployment was made");
      await scene.kubectl(["delete", "toggle", "web", "--timeout=60s"]);
    },
  },
  {
    title: "a Deployment that was there is switched beside a template that is not allowed",
    run: async (scene) => {
      await scene.deploy("web", 3);
      await scene.apply("Toggle", "web", { enabled: false, template, ...selecting("web") });
      await scene.becomes("web", "Off", 0);
      await hasCondition(scene, "web", "TemplateUnused", /was there before/);
      await switchOn(scene, 3);
    },
  },
];
