// SPDX-License-Identifier: Apache-2.0
// Tests the informer: what its subscribers are told, and that a broken or expired watch loses nothing.
import t, { type Test } from "tap";
import { createKubeClient, type ResourceInfo } from "../../client.ts";
import { createInformerPool, startInformer } from "../../engine/informer.ts";
import { startCluster } from "./cluster.ts";
import { startWatchProxy } from "./watch-proxy.ts";

const configMaps: ResourceInfo = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
  hasStatus: false,
};
const configMap = (name: string) => ({ metadata: { name, namespace: "default" }, data: {} });

const scene = async (t: Test) => {
  const { client, apiUrl } = await startCluster(t);
  const proxy = await startWatchProxy(apiUrl);
  const gated = createKubeClient(proxy.url);
  await client.create(configMaps, configMap("old"), "default");
  const informer = startInformer(gated, configMaps);
  const told: string[] = [];
  let heard = () => {};
  const note = (what: string) => {
    told.push(what);
    heard();
  };
  await informer.synced;
  informer.subscribe({
    added: ({ metadata }) => note(`+${metadata.name}`),
    updated: (_, { metadata }) => note(`~${metadata.name}`),
    deleted: ({ metadata }) => note(`-${metadata.name}`),
  });
  t.teardown(async () => {
    informer.close();
    await gated.close();
    await proxy.close();
  });
  /** Resolves when this has been told. */
  const hear = async (what: string) => {
    while (!told.includes(what)) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };
  return { client, proxy, informer, told, hear };
};

t.test("a subscriber is told what is there, and each change once", async (t) => {
  const { client, told, hear, informer } = await scene(t);
  const made = await client.create(configMaps, configMap("new"), "default");
  if (!made.ok) throw new Error("can't create");
  await client.update(configMaps, { ...made.value, data: { a: "1" } });
  await client.remove(configMaps, { namespace: "default", name: "old" });
  await hear("-old");
  t.strictSame(told, ["+old", "+new", "~new", "-old"]);
  t.equal(informer.list("default").length, 1);
  t.equal(informer.list("elsewhere").length, 0);
});

t.test("a watch that breaks goes on where it was", async (t) => {
  const { client, proxy, told, hear } = await scene(t);
  proxy.cut();
  await client.create(configMaps, configMap("new"), "default");
  await hear("+new");
  t.strictSame(told, ["+old", "+new"]);
});

t.test("after a watch that expired, a new list tells what was missed, deletions included", async (t) => {
  const { client, proxy, told, hear } = await scene(t);
  proxy.holdAfter("configmaps", ({ length }) => length > 0);
  await client.create(configMaps, configMap("seen"), "default");
  await hear("+seen");
  await client.remove(configMaps, { namespace: "default", name: "old" });
  const made = await client.create(configMaps, configMap("new"), "default");
  if (!made.ok) throw new Error("can't create");
  proxy.expire("configmaps", Number(made.value.metadata.resourceVersion));
  proxy.cut();
  await hear("+new");
  t.strictSame(told, ["+old", "+seen", "-old", "+new"]);
});

t.test("informers of one resource are one, until the last user has let go", async (t) => {
  const { client } = await startCluster(t);
  const pool = createInformerPool(client);
  t.teardown(pool.close);
  const [first, second] = [pool.acquire(configMaps), pool.acquire(configMaps)];
  t.equal(first.informer, second.informer);
  first.release();
  first.release();
  t.equal(pool.all().length, 1, "letting go twice counts once");
  second.release();
  t.equal(pool.all().length, 0);
});
