// SPDX-License-Identifier: Apache-2.0
// Tests that nothing is written where nothing changes, and that hooks are called by resyncs alone.
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { readyOf } from "../../../scripts/local/hsmsecret-view.ts";
import type { Case } from "../case.ts";
import { hsmSecretStatusOf, type Scene } from "../scene.ts";
import { bareSecret, says, syncedDatabase } from "./database-fixture.ts";

/** Nothing is read by the clock for so long (seconds). */
const syncInterval = 86_400;
/** A path that holds nothing is looked at again within 60 s, less a fifth. */
const MISSING_SECONDS = 48;

const CALLS = /^keyswitch_hook_requests_total\{hook="hsmsecret\/.*outcome="(.*)"\} (\d+)$/gm;

/** How often the hooks of HSMSecrets have been called, by outcome. */
const hookCalls = async (scene: Scene): Promise<ReadonlyMap<string, number>> => {
  const { body } = await scene.stack.call("webhook", "/metrics");
  const calls = new Map<string, number>();
  for (const [, outcome = "", count] of body.matchAll(CALLS)) {
    calls.set(outcome, (calls.get(outcome) ?? 0) + Number(count));
  }
  return calls;
};

/** The versions of all HSMSecrets and Secrets of the case. */
const versions = async (scene: Scene): Promise<Record<string, string | undefined>> => {
  const objects = [...(await scene.list("HSMSecret")), ...(await scene.list("Secret"))];
  return Object.fromEntries(
    objects.map(({ kind, metadata }) => [`${kind} ${metadata.name}`, metadata.resourceVersion]),
  );
};

const List = Type.Object({
  items: Type.Array(
    Type.Object({
      metadata: Type.Object({ name: Type.String(), namespace: Type.String() }),
    }),
  ),
});

/** Has what the tour left read as seldom. */
const othersAreQuiet = async (scene: Scene): Promise<void> => {
  const list = await scene.stack.kubectl.get(["hsmsecrets", "-A"]);
  if (!Value.Check(List, list)) throw new Error("kubectl get hsmsecrets printed something else than a list");
  for (const { metadata } of list.items) {
    if (metadata.namespace !== scene.namespace) {
      await scene.stack.kubectl([
        ...["patch", "hsmsecret", "-n", metadata.namespace, metadata.name, "--type=merge", "-p"],
        JSON.stringify({ spec: { syncInterval } }),
      ]);
    }
  }
};

/** HSMSecrets of all kinds: synced in every way, in Conflict, and without anything on the token. */
const makeAll = async (scene: Scene): Promise<void> => {
  const plain = { key: scene.value() };
  const synced: Record<string, object> = {
    plain: {},
    manual: { autoSync: false },
    both: { writeBack: "OnChange" },
    mapped: { data: [{ key: "key", hsmKey: "key" }] },
    dressed: { template: { labels: { team: "shop" }, annotations: { note: "one" } } },
    gone: { onMissing: "Retain" },
  };
  for (const [name, spec] of Object.entries(synced)) {
    await scene.put(name, plain);
    await scene.apply("HSMSecret", name, { syncInterval, ...spec });
  }
  for (const name of Object.keys(synced)) await scene.settled(name, "True Synced", plain);
  await scene.remove("gone");
  await scene.forceSync("gone");
  await scene.apply("HSMSecret", "missing", { syncInterval });
  await scene.kubectl(["create", "-f", "-"], bareSecret("theirs", { key: "theirs" }));
  await scene.apply("HSMSecret", "theirs", { syncInterval });
  await scene.apply("HSMSecret", "nosy", { syncInterval, hsmPath: "secrets/other/database" });
  await syncedDatabase(scene, { syncInterval, writeBack: "OnChange" });
  await scene.put("database", { password: scene.value() });
  await scene.patch("Secret", "database", { stringData: { password: scene.value() } });
  await says(scene, "database", "False Conflict", /have both changed/);
  await scene.settled("gone", "False ObjectNotFound", plain);
  await scene.settled("missing", "False ObjectNotFound", undefined);
  await says(scene, "theirs", "False Conflict", /no HSMSecret owns it/);
  await says(scene, "nosy", "False Forbidden", /may read/);
};

/** How many HSMSecrets have each reason. */
const reasons = async (scene: Scene): Promise<ReadonlyMap<string, number>> => {
  const counts = new Map<string, number>();
  for (const object of await scene.list("HSMSecret")) {
    const [, reason = ""] = readyOf(hsmSecretStatusOf(object)).split(" ");
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
};

/** @throws Error where hooks were called more often since `before` than to look again, which is once after each write */
const calledSeldom = async (scene: Scene, before: ReadonlyMap<string, number>): Promise<void> => {
  const looks = 1 + Math.ceil(scene.quietSeconds / MISSING_SECONDS);
  const known = await reasons(scene);
  const tooMany: string[] = [];
  for (const [outcome, count] of await hookCalls(scene)) {
    const more = count - (before.get(outcome) ?? 0);
    const allowed = (known.get(outcome) ?? 0) * (outcome === "ObjectNotFound" ? looks : 1);
    if (more > allowed) tooMany.push(`${more} with the outcome ${outcome}`);
  }
  if (tooMany.length > 0) throw new Error(`hooks were called: ${tooMany.join(", ")}`);
};

export const cases: readonly Case[] = [
  {
    title: "HSMSecrets of all kinds stand still: nothing is written, and no hook is called but to look again",
    alone: true,
    run: async (scene) => {
      await makeAll(scene);
      await othersAreQuiet(scene);
      await scene.stack.idle();
      const [calls, before] = [await hookCalls(scene), await versions(scene)];
      if (calls.size === 0) throw new Error("the webhook counts no calls");
      await sleep(scene.quietSeconds * 1000);
      const after = await versions(scene);
      if (!isDeepStrictEqual(after, before)) {
        throw new Error(`written: ${JSON.stringify(before)} became ${JSON.stringify(after)}`);
      }
      await calledSeldom(scene, calls);
    },
  },
];
