// SPDX-License-Identifier: Apache-2.0
// Tests edits of a Secret's data with kubectl, each of which is reverted.
import type { StringMap } from "../../../hooks/kubernetes.ts";
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { bareSecret, syncedDatabase } from "./database-fixture.ts";

type Edit = {
  readonly by: string;
  readonly make: (scene: Scene) => Promise<unknown>;
};

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const edited = (scene: Scene) => ({ password: scene.value(), added: scene.value() });

const EDITS: readonly Edit[] = [
  {
    by: "kubectl patch, which changes a key, adds one and removes one",
    make: (scene) =>
      scene.patch("Secret", "database", { data: { username: null }, stringData: edited(scene) }),
  },
  {
    by: "kubectl patch --type=json",
    make: (scene) => {
      const { password, added } = edited(scene);
      const operations = [
        { op: "replace", path: "/data/password", value: base64(password) },
        { op: "add", path: "/data/added", value: base64(added) },
        { op: "remove", path: "/data/username" },
      ];
      return scene.kubectl(["patch", "secret", "database", "--type=json", "-p", JSON.stringify(operations)]);
    },
  },
  {
    by: "kubectl apply",
    make: (scene) => scene.kubectl(["apply", "-f", "-"], bareSecret("database", edited(scene))),
  },
  {
    by: "kubectl apply --server-side --force-conflicts",
    make: (scene) =>
      scene.kubectl(
        ["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-"],
        bareSecret("database", edited(scene)),
      ),
  },
  {
    by: "kubectl replace with the whole object",
    make: async (scene) => {
      const whole = await scene.read("Secret", "database");
      const data = Object.entries(edited(scene)).map(([key, value]) => [key, base64(value)]);
      await scene.kubectl(
        ["replace", "-f", "-"],
        JSON.stringify({ ...whole, data: Object.fromEntries(data) }),
      );
    },
  },
];

const dataCase = ({ by, make }: Edit): Case => ({
  title: `an edit of the Secret by ${by} is put back`,
  run: async (scene) => {
    const { data, secret } = await syncedDatabase(scene);
    await make(scene);
    const after = await scene.settled("database", "True Synced", data);
    if (after?.metadata.resourceVersion === secret?.metadata.resourceVersion) {
      throw new Error("the edit did not happen");
    }
  },
});

const LABELS: StringMap = { "app.kubernetes.io/managed-by": "keyswitch", team: "shop" };
const ANNOTATIONS: StringMap = { note: "from the token" };

/** Waits until the Secret has what the template asks for. */
const isDressed = (scene: Scene) =>
  scene.until("it has its labels and annotations", ["Secret", "database"], (secret) => {
    const { labels = {}, annotations = {} } = secret?.metadata ?? {};
    return (
      Object.entries(LABELS).every(([key, value]) => labels[key] === value) &&
      Object.entries(ANNOTATIONS).every(([key, value]) => annotations[key] === value)
    );
  });

const template = { labels: { team: "shop" }, annotations: ANNOTATIONS };

export const cases: readonly Case[] = [
  ...EDITS.map(dataCase),
  {
    title: "a label that is taken off the Secret, or changed, is put back",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { template });
      await isDressed(scene);
      await scene.kubectl(["label", "secret", "database", "--overwrite", "team=other"]);
      await isDressed(scene);
      await scene.kubectl(["label", "secret", "database", ...Object.keys(LABELS).map((key) => `${key}-`)]);
      await isDressed(scene);
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "an annotation that is taken off the Secret is put back",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, { template });
      await isDressed(scene);
      await scene.kubectl(["annotate", "secret", "database", "note-"]);
      await isDressed(scene);
      await scene.settled("database", "True Synced", data);
    },
  },
  {
    title: "labels and annotations that others put on the Secret stay",
    run: async (scene) => {
      await syncedDatabase(scene);
      await scene.kubectl(["label", "secret", "database", "theirs=kept"]);
      await scene.kubectl(["annotate", "secret", "database", "theirs=kept"]);
      const after = { username: "app", password: scene.value() };
      await scene.put("database", after);
      await scene.forceSync("database");
      const secret = await scene.settled("database", "True Synced", after);
      const { labels, annotations } = secret?.metadata ?? {};
      if (labels?.theirs !== "kept" || annotations?.theirs !== "kept") throw new Error("they are gone");
    },
  },
  {
    title: "an owner reference that is taken off the Secret is put back",
    run: async (scene) => {
      const { data, secret } = await syncedDatabase(scene);
      const [owner] = secret?.metadata.ownerReferences ?? [];
      await scene.patch("Secret", "database", { metadata: { ownerReferences: null } });
      await scene.until("it has its owner", ["Secret", "database"], (object) =>
        (object?.metadata.ownerReferences ?? []).some(
          ({ uid, controller }) => uid === owner?.uid && controller === true,
        ),
      );
      await scene.settled("database", "True Synced", data);
    },
  },
];
