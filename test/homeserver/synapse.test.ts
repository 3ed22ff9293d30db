// SPDX-License-Identifier: Apache-2.0
// Tests the Synapse of the tests: it keeps its data and address over a stop, and nothing of it outlives who started it.
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { request } from "undici";
import { startSynapse } from "../../scripts/homeserver/synapse.ts";
import { findSynapseRoot } from "../../scripts/homeserver/synapse-root.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { synapseFor } from "../matrix/synapse.ts";

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const logInAs = async (baseUrl: string, user: string, password: string): Promise<number> => {
  const { statusCode, body } = await request(`${baseUrl}/_matrix/client/v3/login`, {
    method: "POST",
    body: JSON.stringify({ type: "m.login.password", identifier: { type: "m.id.user", user }, password }),
  });
  await body.dump();
  return statusCode;
};

const root = findSynapseRoot();
t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t, { config: { session_lifetime: "24h" } });
  if (synapse === undefined || root.kind !== "ready") return;
  t.test("serves users, and keeps them and its address while it is stopped and started", async (t) => {
    const { userId, password } = await synapse.registerUser("alice");
    t.equal(userId, `@alice:${synapse.serverName}`);
    t.equal(await logInAs(synapse.baseUrl, userId, password), 200);
    t.equal(await logInAs(synapse.baseUrl, userId, "another"), 403);
    const devices = await synapse.devicesOf(userId);
    t.equal(devices.length, 1, "the one of the login");

    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const before = synapse.pid() ?? 0;
      t.ok(isRunning(before));
      await synapse.stop(signal);
      t.equal(synapse.pid(), undefined);
      t.notOk(isRunning(before));
      await t.rejects(logInAs(synapse.baseUrl, userId, password), "nothing listens");
      await synapse.start();
      t.not(synapse.pid(), before);
      t.same(await synapse.devicesOf(userId), devices, `kept over ${signal}`);
    }
  });

  t.test("says with the end of its log why it did not start", async (t) => {
    const fault = await startSynapse({ root: root.root, config: { listeners: "none" } }).catch(
      (error: unknown) => error,
    );
    t.match(fault, { message: /did not start[\s\S]*listeners/ });
  });

  t.test("goes with its folder when the process that started it is killed", async (t) => {
    const holder = fork(new URL("./homeserver-holder.ts", import.meta.url), [root.root], {
      stdio: "inherit",
    });
    t.teardown(() => holder.kill("SIGKILL"));
    const [started]: unknown[] = await once(holder, "message", { signal: AbortSignal.timeout(180_000) });
    const Started = Type.Object({ pid: Type.Integer(), logFile: Type.String() });
    if (!Value.Check(Started, started)) throw new Error("the holder said something else");
    t.ok(isRunning(started.pid));
    t.ok(existsSync(started.logFile));
    holder.kill("SIGKILL");
    await eventually("Synapse's end", async () => !isRunning(started.pid));
    await eventually("its folder's removal", async () => !existsSync(dirname(started.logFile)));
  });
});
