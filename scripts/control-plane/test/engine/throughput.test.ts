// SPDX-License-Identifier: Apache-2.0
// Tests 200 parents: each gets its Secret. The rate is printed, not asserted.
import { randomBytes } from "node:crypto";
import t from "tap";
import { objectOrEmpty } from "../../api/json.ts";
import type { ResourceInfo } from "../../client.ts";
import {
  desiredSecret,
  hsmSecret,
  hsmSecretController,
  hsmSecrets,
  namespace,
  parentOf,
  relatedSecret,
  secrets,
  startCluster,
} from "./cluster.ts";
import { startHookServer } from "./hook-server.ts";

const PARENTS = 200;
const resource: ResourceInfo = {
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMSecret",
  plural: "hsmsecrets",
  namespaced: true,
  hasStatus: true,
};

t.test(`${PARENTS} parents get a Secret each`, async (t) => {
  const cluster = await startCluster(t);
  const value = randomBytes(12).toString("base64");
  const hook = await startHookServer(({ path, body }) => {
    if (path.endsWith("customize")) return { body: relatedSecret(body) };
    return { body: { status: { of: parentOf(body).name }, children: [desiredSecret(body, { value })] } };
  });
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook));
  const engine = await cluster.engine({ workers: 10 });
  const begun = performance.now();
  for (let index = 0; index < PARENTS; index += 1) {
    const made = await cluster.client.create(resource, hsmSecret(`app-${index}`), "demo");
    if (!made.ok) throw new Error(`can't create app-${index}: ${made.status} ${made.reason}`);
  }
  await engine.idle();
  const seconds = (performance.now() - begun) / 1_000;
  const all = await cluster.client.list(secrets, "demo");
  if (!all.ok) throw new Error("can't list Secrets");
  t.equal(all.value.items.length, PARENTS);
  t.ok(all.value.items.every(({ data }) => objectOrEmpty(data).value === value));
  const parents = await cluster.client.list(resource, "demo");
  t.ok(
    parents.ok && parents.value.items.every(({ status }) => objectOrEmpty(status).observedGeneration === 1),
  );
  t.ok(cluster.syncs.every(({ outcome }) => outcome === "synced"));
  t.comment(
    `${PARENTS} parents in ${seconds.toFixed(1)} s (${Math.round(PARENTS / seconds)}/s), ${cluster.syncs.length} syncs`,
  );
});
