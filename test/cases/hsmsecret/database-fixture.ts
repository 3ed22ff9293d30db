// SPDX-License-Identifier: Apache-2.0
// Sets up the usual HSMSecret of the cases, called database, and waits for its conditions.
import { readyOf } from "../../../scripts/local/hsmsecret-view.ts";
import type { Kind } from "../../../scripts/local/kinds.ts";
import { hsmSecretStatusOf, type Scene } from "../scene.ts";

type Data = Record<string, string>;
type Read = Awaited<ReturnType<Scene["read"]>>;

/** Writes the secret `database` to the token, makes its HSMSecret and waits until its Secret is there. */
export const syncedDatabase = async (
  scene: Scene,
  spec: object = {},
  data: Data = { username: "app", password: scene.value() },
): Promise<{ data: Data; secret: Read }> => {
  await scene.put("database", data);
  await scene.apply("HSMSecret", "database", spec);
  return { data, secret: await scene.settled("database", "True Synced", data) };
};

/** Waits until the Ready condition is `ready`, such as `False Conflict`, and its message is as `words`. */
export const says = (scene: Scene, name: string, ready: string, words: RegExp, atMost = scene.seconds) =>
  scene.until(
    `it is ${ready} and says ${String(words)}`,
    ["HSMSecret", name],
    (object) => {
      const status = hsmSecretStatusOf(object);
      const message = status.conditions?.find(({ type }) => type === "Ready")?.message ?? "";
      return readyOf(status) === ready && words.test(message);
    },
    atMost,
  );

/** Whether an HSMSecret has the condition `type`. */
export const hasCondition = (object: Read, type: string): boolean =>
  (hsmSecretStatusOf(object).conditions ?? []).some(
    (condition) => condition.type === type && condition.status === "True",
  );

/** @throws Error unless the object is as it was when `before` was read */
export const isUntouched = async (scene: Scene, kind: Kind, before: Read): Promise<void> => {
  const now = await scene.read(kind, before?.metadata.name ?? "");
  if (before === undefined || now?.metadata.resourceVersion !== before.metadata.resourceVersion) {
    throw new Error(`the ${kind} ${before?.metadata.name} was written`);
  }
};

/** The manifest of a Secret that has nothing but its name and `data`. */
export const bareSecret = (name: string, data: Data): string =>
  JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: data });

/** An edit as somebody makes it in a hurry: a changed key and one more. */
export const editSecret = (scene: Scene, name = "database") =>
  scene.patch("Secret", name, { stringData: { password: scene.value(), added: scene.value() } });
