// SPDX-License-Identifier: Apache-2.0
// Restarts Metacontroller and the API server, and checks that syncs continue.
import type { Case } from "../case.ts";

export const cases: readonly Case[] = [
  {
    title:
      "after a restart of Metacontroller a change is synced, and nothing is written that is as it should be",
    alone: true,
    run: async (scene) => {
      const [before, after] = [{ key: scene.value() }, { key: scene.value() }];
      for (const name of ["kept", "changed"]) {
        await scene.put(name, before);
        await scene.apply("HSMSecret", name, {});
        await scene.settled(name, "True Synced", before);
      }
      const kept = await scene.read("Secret", "kept");
      await scene.stack.restartEngine();
      await scene.put("changed", after);
      await scene.forceSync("changed");
      await scene.settled("changed", "True Synced", after);
      await scene.stack.idle();
      const now = await scene.read("Secret", "kept");
      if (now?.metadata.resourceVersion !== kept?.metadata.resourceVersion) {
        throw new Error("a Secret that was as it should be was written");
      }
    },
  },
  {
    title: "after a restart of the API server a change is synced",
    alone: true,
    restartsApi: true,
    run: async (scene) => {
      const [before, after] = [{ key: scene.value() }, { key: scene.value() }];
      await scene.put("database", before);
      await scene.apply("HSMSecret", "database", {});
      await scene.settled("database", "True Synced", before);
      await scene.stack.restartApi();
      await scene.put("database", after);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", after);
    },
  },
];
