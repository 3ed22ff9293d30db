// SPDX-License-Identifier: Apache-2.0
// Tests an absent path under each onMissing.
import type { Case } from "../case.ts";
import { isUntouched, says, syncedDatabase } from "./database-fixture.ts";

export const cases: readonly Case[] = [
  {
    title: "an HSMSecret of a path that holds nothing waits, and is synced once something is written there",
    run: async (scene) => {
      await scene.apply("HSMSecret", "database", {});
      await scene.settled("database", "False ObjectNotFound", undefined);
      const data = { key: scene.value() };
      await scene.put("database", data);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "onMissing: Retain keeps the Secret of what is gone from the token, which is not written",
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene, { onMissing: "Retain" });
      await scene.remove("database");
      await scene.forceSync("database");
      await scene.settled("database", "False ObjectNotFound", data);
      await says(scene, "database", "False ObjectNotFound", /onMissing: Retain/);
      await isUntouched(scene, "Secret", secret);
      await scene.put("database", data);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title:
      "onMissing: Delete removes the Secret of what is gone from the token, and makes it anew when it is back",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { onMissing: "Delete" });
      await scene.remove("database");
      await scene.forceSync("database");
      await scene.settled("database", "False ObjectNotFound", undefined);
      await scene.put("database", data);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", data);
    },
  },
];
