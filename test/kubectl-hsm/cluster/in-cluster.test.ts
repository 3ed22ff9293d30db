// SPDX-License-Identifier: Apache-2.0
// Tests what kubectl-hsm does in the cluster beside the agent: imports Secrets, updates the PIN's Secret, triggers syncs of
// HSMSecrets.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { toBase64Map } from "../../../hooks/formats.ts";
import { madeUp, temporaryFolder, valueAt } from "../fixture.ts";
import { type Cluster, secretData, startCluster } from "./cluster.ts";

const secrets = "/api/v1/namespaces/shop/secrets";

const makeSecret = (
  cluster: Cluster,
  name: string,
  values: Record<string, string | Buffer>,
  metadata: Record<string, string | Record<string, string>[] | Record<string, string>> = {},
  type = "Opaque",
) =>
  cluster.api.call("POST", secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "shop", ...metadata },
    type,
    data: toBase64Map(Object.entries(values)),
  });

t.test("import of Kubernetes Secrets, by name and by label", async (t) => {
  const cluster = await startCluster(t);
  const { store } = cluster.agent;
  const value = madeUp();
  await makeSecret(cluster, "db", { user: "app", pass: value });
  const labels = { app: "web" };
  await makeSecret(cluster, "web", { key: Buffer.from([0, 255, 128]) }, { labels });
  await makeSecret(cluster, "empty", {}, { labels });
  const { body } = await cluster.api.call("POST", "/apis/hsm.j5t.io/v1alpha1/namespaces/shop/hsmsecrets", {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name: "x", namespace: "shop" },
    spec: {},
  });
  const uid = JSON.stringify(body).match(/"uid":"([^"]+)"/)?.[1] ?? "";
  const owner = { apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMSecret", name: "x", uid };
  await makeSecret(cluster, "mirrored", { a: "1" }, { labels, ownerReferences: [owner] });
  await makeSecret(cluster, "helm", { release: "1" }, { labels }, "helm.sh/release.v1");

  const one = await cluster.run(["import", "--from-secret", "db", "--name", "database"]);
  t.match(one, { code: 0, stdout: /^secrets\/shop\/database created\n1 created/ });
  t.equal(await valueAt(store, "secrets/shop/database", "pass"), value);
  t.match(await store.read("secrets/shop/database"), {
    metadata: { source: "kubernetes:shop/db", dataType: "Opaque" },
  });
  const many = await cluster.run(["import", "--from-secret=db", "--selector", "app=web", "-o", "json"]);
  t.match(JSON.parse(many.stdout), {
    summary: { created: 2, skipped: 3, failed: 0 },
    results: [
      { path: "secrets/shop/db", outcome: "created" },
      { path: "secrets/shop/web", outcome: "created" },
      { path: "secrets/shop/empty", outcome: "skipped", message: "it has no key" },
      { path: "secrets/shop/helm", outcome: "skipped" },
      { path: "secrets/shop/mirrored", outcome: "skipped", message: "it comes from the token" },
    ],
  });
  // One that no token can hold does not stop the others.
  await makeSecret(cluster, "odd", { _metadata: "1", ok: "2" }, { labels });
  await makeSecret(cluster, "fine", { a: value }, { labels });
  await makeSecret(cluster, "n".repeat(253), { a: "1" }, { labels });
  for (const more of [["--dry-run"], []]) {
    const some = await cluster.run(["import", "-l", "app=web", "-o", "json", ...more]);
    t.equal(some.code, 6, some.stderr);
    const { summary, results } = JSON.parse(some.stdout);
    t.match(summary, { created: 1, unchanged: 1, skipped: 3, failed: 2 });
    t.match(
      results.filter(({ outcome }: { outcome: string }) => outcome === "failed"),
      [
        {
          path: `Secret shop/${"n".repeat(253)}`,
          message: /255 bytes at most/,
        },
        { path: "secrets/shop/odd", message: /Secret shop\/odd: a key of secrets\/shop\/odd can't be one/ },
      ],
    );
  }
  t.equal(await valueAt(store, "secrets/shop/fine", "a"), value);
  t.match(await store.read("secrets/shop/odd"), { kind: "absent" });
  t.match(await cluster.run(["import", "--from-secret=odd", "--from-secret=fine"]), {
    code: 2,
    stderr: /a key of secrets\/shop\/odd can't be one/,
  });
  const binary = await store.read("secrets/shop/web");
  t.ok(binary.kind === "found" && Buffer.from([0, 255, 128]).equals(binary.data.get("key") ?? Buffer.of()));
  t.match(await cluster.run(["import", "--from-secret", "none"]), {
    code: 7,
    stderr: /no Secret shop\/none/,
  });
  t.match(await cluster.run(["import", "--from-secret", "empty"]), { code: 2, stderr: /has no key/ });
  t.match(await cluster.run(["import", "--from-secret", "A b"]), { code: 2, stderr: /a Secret's name/ });
});

t.test("rotate-pin changes the token's PIN, and then the Secret", async (t) => {
  let onPin = async () => {};
  const cluster = await startCluster(t, {
    over: (store) => ({
      ...store,
      setPin: async (current, next) => {
        await onPin();
        return store.setPin(current, next);
      },
    }),
  });
  const folder = temporaryFolder(t);
  const pinFile = (name: string, pin: string) => {
    writeFileSync(join(folder, name), `${pin}\n`);
    return join(folder, name);
  };
  const rotate = (current: string, next: string, more: string[] = []) =>
    cluster.run([
      "rotate-pin",
      "--current-pin-file",
      pinFile("current", current),
      "--new-pin-file",
      pinFile("new", next),
      ...more,
    ]);
  const [first, second] = [madeUp(), madeUp()];
  const pinNow = async () => (await secretData(cluster.api, "keyswitch", "keyswitch-pkcs11")).pin;
  t.match(await rotate(madeUp(), first), { code: 4, stderr: /the PIN was not changed/ });
  t.equal(await pinNow(), cluster.pin);
  const changed = await rotate(cluster.agent.pin, first);
  t.match(changed, { code: 0, stdout: /Secret keyswitch\/keyswitch-pkcs11 holds the new one/ });
  t.equal(await pinNow(), first);
  const object = JSON.stringify(
    await cluster.api.read("/api/v1/namespaces/keyswitch/secrets/keyswitch-pkcs11"),
  );
  t.notMatch(object, /last-applied/);
  t.match(object, /"app.kubernetes.io\/part-of":"keyswitch"/, "labels stay");

  const before = cluster.agent.seen.length;
  t.match(await rotate(first, second, ["--pin-secret", "none"]), {
    code: 2,
    stderr: /is missing, or has no key pin.*not changed/,
  });
  t.equal(cluster.agent.seen.length, before, "without a Secret to write, the token's PIN is left");

  onPin = async () => {
    await cluster.api.kubectl("annotate secret keyswitch-pkcs11 -n keyswitch by=somebody");
  };
  const half = await rotate(first, second);
  t.match(half, { code: 6, stderr: /the token has the NEW PIN, but the Secret[\s\S]*credentials\.sh/ });
  t.equal(await pinNow(), first);
  onPin = async () => {};
  t.match(await rotate(second, first, ["--agent-only", "-o", "json"]), { code: 0, stdout: /"secret": null/ });
});

t.test("mirror sync reads the token anew and tells the HSMSecrets", async (t) => {
  let refreshed = 0;
  const cluster = await startCluster(t, {
    over: (store) => ({
      ...store,
      refresh: () => {
        refreshed += 1;
        return store.refresh();
      },
    }),
  });
  const kind = "/apis/hsm.j5t.io/v1alpha1/namespaces";
  for (const [namespace, name] of [
    ["shop", "db"],
    ["shop", "web"],
    ["demo", "db"],
  ]) {
    await cluster.api.call("POST", `${kind}/${namespace}/hsmsecrets`, {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMSecret",
      metadata: { name: name ?? "", namespace: namespace ?? "" },
      spec: {},
    });
  }
  const told = async (namespace: string, name: string) =>
    JSON.stringify(await cluster.api.read(`${kind}/${namespace}/hsmsecrets/${name}`)).match(
      /"hsm\.j5t\.io\/force-sync":"([^"]+)"/,
    )?.[1];
  const one = await cluster.run(["mirror", "sync", "db"]);
  t.match(one, { code: 0, stdout: "hsm-a was read anew: 0 objects\nshop/db is told to follow\n" });
  const first = await told("shop", "db");
  t.match(first, /^\d{4}-\d\d-\d\dT/);
  t.equal(await told("shop", "web"), undefined);
  const all = await cluster.run(["mirror", "sync", "-o", "json"]);
  t.match(JSON.parse(all.stdout), { device: "hsm-a", hsmSecrets: ["shop/db", "shop/web"] });
  t.not(await told("shop", "db"), first, "again is anew");
  t.equal(await told("demo", "db"), undefined);
  t.match(await cluster.run(["mirror", "sync", "-A"]), { code: 0, stdout: /demo\/db is told/ });
  t.match(await cluster.run(["mirror", "sync", "none"]), { code: 7 });
  t.match(await cluster.run(["mirror", "sync", "-n", "keyswitch"]), {
    code: 0,
    stdout: /read anew: 0 objects\n$/,
  });
  t.match(await cluster.run(["mirror", "sync", "--agent-only"]), { code: 0 });
  t.equal(refreshed, 5);
});
