// SPDX-License-Identifier: Apache-2.0
// Tests that marked values which go through every command appear in no output and in no argument of kubectl.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import t from "tap";
import { unavailable } from "../../server/agent/store.ts";
import { COMMANDS } from "../../server/kubectl-hsm/commands.ts";
import { startCluster } from "./cluster/cluster.ts";
import { madeUp, type RunOptions, temporaryFolder, valueAt } from "./fixture.ts";

t.test("no value is printed or passed on without --show or --key", async (t) => {
  const cluster = await startCluster(t);
  const { store } = cluster.agent;
  const folder = temporaryFolder(t);
  const canaries: string[] = [cluster.pin, cluster.agent.pin];
  const canary = (): string => {
    const value = madeUp();
    canaries.push(value);
    return value;
  };
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const said: string[] = [];
  const used = new Set<string>();
  const run = async (args: string[], code: number, options?: RunOptions) => {
    const ran = await cluster.run(args, options);
    t.equal(ran.code, code, `${args.join(" ")}: ${ran.stderr}`);
    const command = COMMANDS.find(({ name }) => args.join(" ").startsWith(name));
    if (command !== undefined) used.add(command.name);
    said.push(ran.stdout, ran.stderr);
    return ran;
  };

  const env = file("db.env", `USER=${canary()}\nPASS="${canary()}"\n`);
  const json = file("api.json", JSON.stringify({ token: canary() }));
  await run(["create", "db", "--from-file", env, "--from-file", json, "--from-file=k=-"], 0, {
    input: canary(),
  });
  await run(["create", "db", `--from-literal=a=${canary()}`], 5);
  await run(["create", "lit", `--from-literal=a=${canary()}`, "-o", "yaml"], 0);
  await run(["update", "db", "--from-file=k=-", "--diff", "--dry-run"], 1, { input: canary() });
  await run(["update", "db", "--from-file=k=-", "--diff", "--yes", "-o", "json"], 0, { input: canary() });
  await run(["update", "db", "--from-file=k=-", "--diff"], 2, { input: canary() });
  await run(["update", "none", "--from-file=k=-"], 7, { input: canary() });
  await run(["create", "bad", "--from-file", file("bad.env", `A=1\n${canary()}\n`)], 2);
  await run(["create", "bad", `--from-file=k=${canary()}`], 2);
  for (const format of ["text", "json", "yaml"]) {
    await run(["get", "db", "-o", format], 0);
    await run(["list", "-A", "-o", format], 0);
  }
  await run(["rename-key", "db", "k", "key"], 0);
  await run(["list"], 0);

  await run(["import", env, json, "--dry-run", "--if-exists=fail"], 6);
  await run(["import", env, json, "--if-exists=replace", "-o", "json"], 0);
  await cluster.api.call("POST", "/api/v1/namespaces/shop/secrets", {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "kube", namespace: "shop" },
    data: { pass: Buffer.from(canary()).toString("base64") },
  });
  await run(["import", "--from-secret", "kube"], 0);
  const identity = await generateX25519Identity();
  canaries.push(identity);
  const identities = file("key.txt", identity);
  const recipient = await identityToRecipient(identity);
  const exported = await run(["export", "-r", recipient, "--armor"], 0);
  await run(["import", "-", "-i", identities], 0, { input: exported.stdout });
  await run(["import", "-", "-i", file("not-a-key", canary())], 2, { input: exported.stdout });
  await run(["export", "-r", canary()], 2);
  store.put("secrets/shop/old", { a: canary() }, { layout: "per-key" });
  await run(["repack", "--yes"], 0);
  await run(["repair", "--yes"], 0);

  const [current, next] = [file("pin", cluster.agent.pin), file("new", canary())];
  await run(["rotate-pin", "--current-pin-file", file("wrong", canary()), "--new-pin-file", next], 4);
  await run(["rotate-pin", "--current-pin-file", current, "--new-pin-file", next, "--pin-secret=none"], 2);
  await run(["rotate-pin", "--current-pin-file", current, "--new-pin-file", next], 0);
  await run(["mirror", "sync"], 0);
  await run(["mirror", "status"], 8);
  await run(["mirror", "diff"], 8);
  await run(["mirror", "adopt", "--set", "shop/pair"], 8);
  await run(["mirror", "resolve", "db", "--keep", "here", "--yes"], 8);
  await run(["devices", "-o", "json"], 0);
  await run(["health", "-o", "yaml"], 0);
  await run(["completion", "bash"], 0);
  await run(["version"], 0);
  await run(["__complete", "get", ""], 0);
  await run(["delete", "db", "--key", "USER", "--yes", "-o", "json"], 0);
  await run(["delete", "db", "--yes"], 0);
  store.fail(unavailable("TOKEN_UNAVAILABLE", "gone"));
  await run(["update", "lit", "--from-file=k=-"], 3, { input: canary() });
  await run(["import", env], 3);
  store.fail();

  t.same([...used].sort(), COMMANDS.map(({ name }) => name).sort(), "every command was run");
  const everything = `${said.join("\n")}\n${cluster.kubectlCalls()}`;
  for (const value of canaries) {
    for (const form of [
      value,
      Buffer.from(value).toString("base64").replace(/=*$/, ""),
      Buffer.from(value).toString("hex"),
    ]) {
      t.notOk(everything.includes(form));
    }
  }
  t.ok(cluster.kubectlCalls().includes("replace -n keyswitch -f -"), "kubectl's arguments were looked at");
  const kept = await valueAt(store, "secrets/shop/lit", "a");
  t.ok(kept !== undefined && canaries.includes(kept), "the values did get there");
  const shown = await cluster.run(["get", "lit", "--key=a"]);
  t.equal(shown.stdout, kept, "and are shown where that is asked for");
});
