// SPDX-License-Identifier: Apache-2.0
// Tests the deletion of an HSMSecret, with its Secret and the data on the token.
import { isDeepStrictEqual } from "node:util";
import type { Case } from "../case.ts";
import { dataOf, type Scene } from "../scene.ts";
import { syncedDatabase } from "./database-fixture.ts";

type Data = Record<string, string>;

const holds = async (scene: Scene, data: Data | undefined): Promise<void> => {
  if (!isDeepStrictEqual(await scene.onToken("database"), data)) {
    throw new Error(data === undefined ? "the token still holds them" : "the token does not hold them");
  }
};

export const cases: readonly Case[] = [
  {
    title: "a deleted HSMSecret takes its Secret along and leaves the data on the token",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { deletionPolicy: "Retain" });
      await scene.kubectl(["delete", "hsmsecret", "database"]);
      await scene.gone("Secret", "database");
      await holds(scene, data);
    },
  },
  {
    title: "deletionPolicy: Delete removes the data from the token with the HSMSecret",
    run: async (scene) => {
      await syncedDatabase(scene, { deletionPolicy: "Delete" });
      await scene.kubectl(["delete", "hsmsecret", "database"]);
      await holds(scene, undefined);
      await scene.gone("Secret", "database");
    },
  },
  {
    title: "kubectl delete --cascade=orphan leaves the Secret, which nobody owns then",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { deletionPolicy: "Delete" });
      await scene.kubectl(["delete", "hsmsecret", "database", "--cascade=orphan"]);
      await holds(scene, undefined);
      const secret = await scene.read("Secret", "database");
      if (!isDeepStrictEqual(dataOf(secret), data)) throw new Error("the Secret is not as it was");
      if ((secret?.metadata.ownerReferences ?? []).length > 0) throw new Error("the Secret has an owner");
    },
  },
  {
    title: "kubectl delete --cascade=foreground waits for the Secret, and for the data where they are to go",
    run: async (scene) => {
      await syncedDatabase(scene, { deletionPolicy: "Delete" });
      await scene.kubectl(["delete", "hsmsecret", "database", "--cascade=foreground"]);
      if ((await scene.read("Secret", "database")) !== undefined) {
        throw new Error("the Secret is still there");
      }
      await holds(scene, undefined);
    },
  },
  {
    title: "a deleted namespace takes its HSMSecrets along, and from the token the data that are to go",
    run: async (scene) => {
      await syncedDatabase(scene, { deletionPolicy: "Delete" });
      const kept = { key: scene.value() };
      await scene.put("kept", kept);
      await scene.apply("HSMSecret", "kept", {});
      await scene.settled("kept", "True Synced", kept);
      await scene.kubectl(["delete", "namespace", scene.namespace]);
      await holds(scene, undefined);
      if (!isDeepStrictEqual(await scene.onToken("kept"), kept)) throw new Error("the token lost what stays");
    },
  },
];
