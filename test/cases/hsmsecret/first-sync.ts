// SPDX-License-Identifier: Apache-2.0
// Tests a secret on the token that becomes a Secret, and updates it.
import type { Case } from "../case.ts";
import { syncedDatabase } from "./database-fixture.ts";

export const cases: readonly Case[] = [
  {
    title: "a new HSMSecret becomes a Secret of its content",
    run: async (scene) => {
      const data = { username: "app", password: scene.value() };
      await scene.put("database", data);
      await scene.apply("HSMSecret", "database", {});
      const secret = await scene.settled("database", "True Synced", data);
      const [owner] = secret?.metadata.ownerReferences ?? [];
      if (owner?.kind !== "HSMSecret") throw new Error("the Secret has no owner");
    },
  },
  {
    title: "a change on the token reaches the Secret by the sync interval",
    run: async (scene) => {
      const [before, after] = [{ key: scene.value() }, { key: scene.value(), added: scene.value() }];
      await scene.put("database", before);
      await scene.apply("HSMSecret", "database", { syncInterval: 5 });
      await scene.settled("database", "True Synced", before);
      await scene.put("database", after);
      await scene.settled("database", "True Synced", after);
    },
  },
  {
    title: "a key that is removed from the token leaves the Secret",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, {}, { kept: scene.value(), removed: scene.value() });
      const { removed: _, ...rest } = data;
      await scene.put("database", rest);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", rest);
    },
  },
  {
    title: "a Secret that somebody deleted is made anew",
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene);
      await scene.kubectl(["delete", "secret", "database"]);
      const anew = await scene.settled("database", "True Synced", data);
      if (anew?.metadata.uid === secret?.metadata.uid) throw new Error("the Secret was not deleted");
    },
  },
];
