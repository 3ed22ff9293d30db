// SPDX-License-Identifier: Apache-2.0
// Tests the spec fields of the Secret's content: its type, labels and annotations, keys, name and path.
import type { Case } from "../case.ts";
import { isUntouched, says, syncedDatabase } from "./database-fixture.ts";

const BASIC = "kubernetes.io/basic-auth";

export const cases: readonly Case[] = [
  {
    title: "the Secret has the type of spec.secretType, and the keys that the type needs are asked for",
    run: async (scene) => {
      await syncedDatabase(scene, { secretType: BASIC });
      const secret = await scene.read("Secret", "database");
      if (secret?.type !== BASIC) throw new Error(`its type is ${String(secret?.type)}`);
      await scene.put("lacking", { key: scene.value() });
      await scene.apply("HSMSecret", "lacking", { secretType: "kubernetes.io/tls" });
      await says(
        scene,
        "lacking",
        "False InvalidKey",
        /kubernetes\.io\/tls needs the key tls\.crt and tls\.key/,
      );
    },
  },
  {
    title:
      "a changed secretType leaves the Secret as it is and says so, and takes effect once that is deleted",
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene);
      await scene.patch("HSMSecret", "database", { spec: { secretType: BASIC } });
      await says(scene, "database", "False TypeImmutable", /has type Opaque, which Kubernetes can't change/);
      await isUntouched(scene, "Secret", secret);
      await scene.kubectl(["delete", "secret", "database"]);
      const anew = await scene.settled("database", "True Synced", data);
      if (anew?.type !== BASIC) throw new Error(`its type is ${String(anew?.type)}`);
    },
  },
  {
    title: "the template's labels and annotations come onto the Secret, and leave it with the template",
    run: async (scene) => {
      const template = { labels: { team: "shop" }, annotations: { note: "one" } };
      const { data } = await syncedDatabase(scene, { template });
      const has = (label: string | undefined, note: string | undefined) =>
        scene.until(
          `its label is ${String(label)}, its annotation ${String(note)}`,
          ["Secret", "database"],
          (secret) => secret?.metadata.labels?.team === label && secret?.metadata.annotations?.note === note,
        );
      await has("shop", "one");
      await scene.patch("HSMSecret", "database", { spec: { template: { annotations: { note: "two" } } } });
      await has("shop", "two");
      await scene.patch("HSMSecret", "database", { spec: { template: null } });
      await has(undefined, undefined);
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "spec.data chooses keys and names them, and a key that the token lacks is named",
    run: async (scene) => {
      const [user, pass] = [scene.value(), scene.value()];
      await scene.put("database", { user, pass, other: scene.value() });
      const data = [
        { key: "USERNAME", hsmKey: "user" },
        { key: "again", hsmKey: "user" },
        { key: "PASSWORD", hsmKey: "pass" },
      ];
      const held = { USERNAME: user, again: user, PASSWORD: pass };
      await scene.apply("HSMSecret", "database", { data });
      await scene.settled("database", "True Synced", held);
      await scene.patch("HSMSecret", "database", { spec: { data: [{ key: "USERNAME", hsmKey: "none" }] } });
      await says(scene, "database", "False InvalidKey", /the token has no "none"/);
      await scene.settled("database", "False InvalidKey", held);
      await scene.patch("HSMSecret", "database", { spec: { data: [{ key: "USERNAME", hsmKey: "user" }] } });
      await scene.settled("database", "True Synced", { USERNAME: user });
    },
  },
  {
    title: "with autoSync: false a change on the token and an edit of the Secret wait for force-sync",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { autoSync: false });
      const after = { ...data, password: scene.value() };
      await scene.put("database", after);
      const edited = { ...data, password: scene.value() };
      await scene.patch("Secret", "database", { stringData: edited });
      await says(scene, "database", "False Drifted", /set the annotation hsm\.j5t\.io\/force-sync/);
      await scene.settled("database", "False Drifted", edited);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", after);
    },
  },
  {
    title: "a changed secretName makes the Secret under its new name, and the old one goes",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.patch("HSMSecret", "database", { spec: { secretName: "renamed" } });
      await scene.settled("database", "True Synced", data, "renamed");
      await scene.gone("Secret", "database");
    },
  },
  {
    title: "a changed hsmPath has the Secret hold what is there, and the old content until it can be read",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.patch("HSMSecret", "database", { spec: { hsmPath: scene.pathOf("other") } });
      await scene.settled("database", "False ObjectNotFound", data);
      const other = { key: scene.value() };
      await scene.put("other", other);
      await scene.forceSync("database");
      await scene.settled("database", "True Synced", other);
    },
  },
  {
    title: "an immutable Secret is a Conflict as soon as the token changes, until somebody deletes it",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene);
      await scene.patch("Secret", "database", { immutable: true });
      const after = { ...data, password: scene.value() };
      await scene.put("database", after);
      await scene.forceSync("database");
      await says(scene, "database", "False Conflict", /is immutable and differs from the token/);
      await scene.settled("database", "False Conflict", data);
      await scene.kubectl(["delete", "secret", "database"]);
      await scene.settled("database", "True Synced", after);
    },
  },
];
