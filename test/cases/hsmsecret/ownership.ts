// SPDX-License-Identifier: Apache-2.0
// Tests foreign Secrets and foreign paths, which stay untouched.
import type { Case } from "../case.ts";
import { hsmSecretStatusOf, type Scene } from "../scene.ts";
import { bareSecret, isUntouched, says, syncedDatabase } from "./database-fixture.ts";

/** Makes the Secret `database`, which a ConfigMap controls. */
const controlledSecret = async (scene: Scene) => {
  await scene.kubectl(["create", "configmap", "owner"]);
  const uid = await scene.kubectl(["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid, controller: true };
  const secret = JSON.parse(bareSecret("database", { key: "theirs" }));
  const metadata = { ...secret.metadata, ownerReferences: [owner] };
  await scene.kubectl(["create", "-f", "-"], JSON.stringify({ ...secret, metadata }));
  return scene.read("Secret", "database");
};

export const cases: readonly Case[] = [
  {
    title:
      "a Secret that somebody else made is not touched, and makes way for the HSMSecret's once it is deleted",
    run: async (scene) => {
      await scene.kubectl(["create", "-f", "-"], bareSecret("database", { key: "theirs" }));
      const theirs = await scene.read("Secret", "database");
      const data = { key: scene.value() };
      await scene.put("database", data);
      await scene.apply("HSMSecret", "database", {});
      await says(scene, "database", "False Conflict", /exists and no HSMSecret owns it\. Set spec\.adopt/);
      await isUntouched(scene, "Secret", theirs);
      await scene.kubectl(["delete", "secret", "database"]);
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "a Secret that another controller owns is not touched, adopt or not",
    run: async (scene) => {
      const theirs = await controlledSecret(scene);
      await scene.put("database", { key: scene.value() });
      await scene.apply("HSMSecret", "database", {});
      await says(scene, "database", "False Conflict", /belongs to ConfigMap owner/);
      await scene.apply("HSMSecret", "database", { adopt: true });
      await scene.until(
        "its status speaks of adopt",
        ["HSMSecret", "database"],
        (object) => hsmSecretStatusOf(object).observedGeneration === object?.metadata.generation,
      );
      await says(scene, "database", "False Conflict", /belongs to ConfigMap owner/);
      await isUntouched(scene, "Secret", theirs);
    },
  },
  {
    title: "of two HSMSecrets of one Secret the first has it, and the other one says whose it is",
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene);
      await scene.put("second", { key: scene.value() });
      await scene.apply("HSMSecret", "second", { secretName: "database", adopt: true });
      await says(scene, "second", "False Conflict", /belongs to HSMSecret database/);
      await isUntouched(scene, "Secret", secret);
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "a path of another namespace is Forbidden, and no Secret is made",
    run: async (scene) => {
      await scene.apply("HSMSecret", "nosy", { hsmPath: "secrets/other/database" });
      await says(scene, "nosy", "False Forbidden", /may read secrets\/.* and not secrets\/other\/database/);
      await scene.settled("nosy", "False Forbidden", undefined);
    },
  },
];
