// SPDX-License-Identifier: Apache-2.0
// Tests the size limit of a Secret and the quota of a namespace.
import { randomBytes } from "node:crypto";
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { isUntouched, says, syncedDatabase } from "./database-fixture.ts";

/** `bytes` of text in keys of 100 kB. */
const large = (scene: Scene, bytes: number): Record<string, string> => {
  const key = 100_000;
  const made = Object.fromEntries(
    Array.from({ length: Math.ceil(bytes / key) }, (_, index) => [
      `part-${index}`,
      randomBytes(key / 2).toString("hex"),
    ]),
  );
  return { ...made, password: scene.value() };
};

export const cases: readonly Case[] = [
  {
    title:
      "a large secret becomes a Secret: of 900 kB under server-side apply, of 100 kB under dynamic apply",
    run: async (scene) => {
      // Dynamic apply copies a Secret into an annotation, and annotations have 256 KiB together.
      const bytes = scene.applyStrategy === "dynamic-apply" ? 100_000 : 900_000;
      const { data } = await syncedDatabase(scene, {}, large(scene, bytes));
      const after = { ...data, password: scene.value() };
      await scene.put("database", after);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", after);
    },
  },
  {
    title: "a secret above 1 MiB is TooLarge, and the Secret is kept as it is",
    // The agent takes no such secret, so another program writes it.
    alone: true,
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene);
      const { token } = scene.stack;
      await scene.remove("database");
      await token.put(scene.pathOf("database"), large(scene, 1_100_000));
      await scene.forceSync("database");
      await says(scene, "database", "False TooLarge", /a Secret takes 1048576/);
      await isUntouched(scene, "Secret", secret);
      await token.remove(scene.pathOf("database"));
      await scene.put("database", data);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "a Secret that a ResourceQuota refuses is told of, and is made once there is room",
    needs: "the admission of ResourceQuotas, and more than a minute until the status tells of it",
    run: async (scene) => {
      const data = { key: scene.value() };
      await scene.put("database", data);
      await scene.kubectl(["create", "quota", "none", "--hard=count/secrets=0"]);
      await scene.kubectl(["wait", "quota/none", "--for=jsonpath={.status.used.count/secrets}=0"]);
      await scene.apply("HSMSecret", "database", { syncInterval: 5 });
      await says(scene, "database", "False Applying", /kubectl describe resourcequota/, 2 * scene.seconds);
      await scene.kubectl([
        "patch",
        "quota",
        "none",
        "--type=merge",
        "-p",
        JSON.stringify({ spec: { hard: { "count/secrets": "5" } } }),
      ]);
      await scene.settled("database", "True Synced", data);
    },
  },
];
