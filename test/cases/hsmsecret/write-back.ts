// SPDX-License-Identifier: Apache-2.0
// Tests writeBack: OnChange: an edited Secret goes to the token, and a conflict is resolved by somebody's choice.
import { isDeepStrictEqual } from "node:util";
import { eventually } from "../../../scripts/local/eventually.ts";
import type { Case } from "../case.ts";
import type { Scene } from "../scene.ts";
import { says, syncedDatabase } from "./database-fixture.ts";

const writeBack = { writeBack: "OnChange" };
type Data = Record<string, string>;

/** Waits until the token and the Secret both hold `data`. */
const bothHold = async (scene: Scene, data: Data): Promise<void> => {
  const holds = async () => isDeepStrictEqual(await scene.onToken("database"), data);
  // A write that fails, as on a busy machine, is tried again after a while.
  await eventually("the token holds it", holds, { seconds: 4 * scene.seconds });
  await scene.settled("database", "True Synced", data);
};

/** Edits the Secret so that it holds `data`. */
const edit = (scene: Scene, data: Data) =>
  scene.patch("Secret", "database", { data: null, stringData: data });

/** Changes the token and the Secret, each without the other. */
const bothChanged = async (scene: Scene) => {
  const { data } = await syncedDatabase(scene, writeBack);
  const [theirs, mine] = [
    { ...data, password: scene.value() },
    { ...data, password: scene.value() },
  ];
  await scene.put("database", theirs);
  await edit(scene, mine);
  await says(scene, "database", "False Conflict", /have both changed .* Neither is overwritten/);
  await scene.settled("database", "False Conflict", mine);
  if (!isDeepStrictEqual(await scene.onToken("database"), theirs)) {
    throw new Error("the token was overwritten");
  }
  return { theirs, mine };
};

const resolve = (scene: Scene, choice: string) =>
  scene.kubectl(["annotate", "hsmsecret", "database", `hsm.j5t.io/resolve${choice}`]);

export const cases: readonly Case[] = [
  {
    title: "under writeBack an edit of the Secret is written to the token, the removal of a key included",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, writeBack);
      const edited = { ...data, password: scene.value(), added: scene.value() };
      await edit(scene, edited);
      await bothHold(scene, edited);
      await edit(scene, { password: edited.password });
      await bothHold(scene, { password: edited.password });
    },
  },
  {
    title: "under writeBack a change on the token reaches a Secret that nobody edited",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, writeBack);
      const after = { ...data, password: scene.value() };
      await scene.put("database", after);
      await scene.forceSync("database");
      await bothHold(scene, after);
    },
  },
  {
    title: "changes on both sides are a Conflict, and resolve=secret writes the Secret's to the token",
    run: async (scene) => {
      const { mine } = await bothChanged(scene);
      await resolve(scene, "=secret");
      await bothHold(scene, mine);
    },
  },
  {
    title: "changes on both sides are a Conflict, and resolve=hsm writes the token's to the Secret",
    run: async (scene) => {
      const { theirs } = await bothChanged(scene);
      await resolve(scene, "=hsm");
      await bothHold(scene, theirs);
    },
  },
  {
    title: "a choice that is left over decides no later Conflict, and one that is made anew does",
    run: async (scene) => {
      const { mine } = await bothChanged(scene);
      await resolve(scene, "=secret");
      await bothHold(scene, mine);
      const [theirs, latest] = [{ password: scene.value() }, { password: scene.value() }];
      await scene.put("database", theirs);
      await edit(scene, latest);
      await says(scene, "database", "False Conflict", /resolve=secret is older than this conflict/);
      await resolve(scene, "-");
      await resolve(scene, "=hsm");
      await bothHold(scene, theirs);
    },
  },
  {
    title: "an edit of what is gone from the token is a Conflict, and resolve=secret writes it there",
    run: async (scene) => {
      const { data } = await syncedDatabase(scene, writeBack);
      await scene.remove("database");
      const edited = { ...data, password: scene.value() };
      await edit(scene, edited);
      await says(scene, "database", "False Conflict", /has changed and the token holds nothing there/);
      await resolve(scene, "=secret");
      await bothHold(scene, edited);
    },
  },
];
