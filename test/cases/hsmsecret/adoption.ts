// SPDX-License-Identifier: Apache-2.0
// Tests Secrets that lost their owner reference or never had one, and are adopted.

import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { hsmSecretStatusOf } from "../scene.ts";
import { bareSecret, syncedDatabase } from "./database-fixture.ts";

type Data = Record<string, string>;

/** Waits until the HSMSecret owns its Secret and holds `data`. */
const isOwned = async (scene: Scene, data: Data): Promise<void> => {
  const parent = await scene.read("HSMSecret", "database");
  await scene.settled("database", "True Synced", data);
  await scene.until(
    "it has its owner and its label",
    ["Secret", "database"],
    (secret) =>
      secret?.metadata.labels?.["controller-uid"] === parent?.metadata.uid &&
      (secret?.metadata.ownerReferences ?? []).some(({ uid }) => uid === parent?.metadata.uid),
  );
};

/** Under dynamic apply, Metacontroller adopts what has a label, which the status has the user set. */
const adopted = async (scene: Scene, data: Data): Promise<void> => {
  if (scene.applyStrategy === "dynamic-apply") {
    const told = await scene.until("it tells what to do", ["HSMSecret", "database"], (object) =>
      /kubectl label secret/.test(hsmSecretStatusOf(object).lastError ?? ""),
    );
    const uid = told?.metadata.uid ?? "";
    const command = `kubectl label secret -n ${scene.namespace} database controller-uid=${uid} --overwrite`;
    if (!hsmSecretStatusOf(told).lastError?.includes(command)) {
      throw new Error(`it does not tell: ${command}`);
    }
    await scene.kubectl(command.split(" ").slice(1));
  }
  await isOwned(scene, data);
};

export const cases: readonly Case[] = [
  {
    title: "an edit of the Secret by kubectl replace with a bare manifest is put back",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.kubectl(["replace", "-f", "-"], bareSecret("database", { key: scene.value() }));
      await adopted(scene, data);
    },
  },
  {
    title: "the label controller-uid that is taken off the Secret is put back",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.kubectl(["label", "secret", "database", "controller-uid-"]);
      await adopted(scene, data);
    },
  },
  {
    title: "adopt: true takes over a Secret that no controller owns",
    run: async (scene) => {
      await scene.kubectl(["create", "-f", "-"], bareSecret("database", { theirs: scene.value() }));
      const data = { key: scene.value() };
      await scene.put("database", data);
      await scene.apply("HSMSecret", "database", { adopt: true });
      await adopted(scene, data);
    },
  },
  {
    title: "the Secret that kubectl delete --cascade=orphan left is taken back by adopt: true",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.kubectl(["delete", "hsmsecret", "database", "--cascade=orphan"]);
      await scene.apply("HSMSecret", "database", { adopt: true });
      await adopted(scene, data);
      await scene.kubectl(["delete", "hsmsecret", "database"]);
      await scene.gone("Secret", "database");
    },
  },
];
