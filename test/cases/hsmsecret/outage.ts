// SPDX-License-Identifier: Apache-2.0
// Tests outages of the agent and of the webhook: the Secret stays as it is, and catches up afterwards.
import type { Case } from "../case.ts";
import { editSecret, isUntouched, says, syncedDatabase } from "./database-fixture.ts";

export const cases: readonly Case[] = [
  {
    title:
      "while the agent is down the Secret is kept unwritten and the status says so, and then it catches up",
    alone: true,
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene, { syncInterval: 5 });
      await scene.stack.stop("agent");
      try {
        await scene.forceSync("database");
        await scene.settled("database", "False HSMUnavailable", data);
        await says(scene, "database", "False HSMUnavailable", /The Secret is kept as it is/);
        await isUntouched(scene, "Secret", secret);
      } finally {
        await scene.stack.start("agent");
      }
      const after = { ...data, password: scene.value() };
      await scene.put("database", after);
      await scene.settled("database", "True Synced", after);
    },
  },
  {
    title: "an HSMSecret that is made while the agent is down gets its Secret when it is back",
    alone: true,
    run: async (scene) => {
      const data = { key: scene.value() };
      await scene.put("database", data);
      await scene.stack.stop("agent");
      try {
        await scene.apply("HSMSecret", "database", { syncInterval: 5 });
        await scene.settled("database", "False HSMUnavailable", undefined);
      } finally {
        await scene.stack.start("agent");
      }
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title:
      "while the webhook is down nothing is written, and then an edit is put back and a new HSMSecret synced",
    alone: true,
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      const mail = { key: scene.value() };
      await scene.put("mail", mail);
      await scene.stack.stop("webhook");
      try {
        await editSecret(scene);
        const edited = await scene.read("Secret", "database");
        await scene.apply("HSMSecret", "mail", {});
        await isUntouched(scene, "Secret", edited);
      } finally {
        await scene.stack.start("webhook");
      }
      await scene.settled("database", "True Synced", data);
      await scene.settled("mail", "True Synced", mail);
    },
  },
];
