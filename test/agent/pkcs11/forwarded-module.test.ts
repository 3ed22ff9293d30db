// SPDX-License-Identifier: Apache-2.0
// Tests the agent on a module in another process: p11-kit's client and server, with SoftHSM2 behind them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { someKeys } from "./kill-points.ts";
import { tokenFixture, watchedStore } from "./token-fixture.ts";

const PATH = "secrets/shop/db";

const clientModule = (): string => {
  const [found] = globSync("/usr/lib/*/pkcs11/p11-kit-client.so");
  if (found === undefined) throw new Error("p11-kit's client is not installed (package p11-kit-modules)");
  return found;
};

/** Serves `module` until the test ends; answers what the client has to have in its environment. */
const serve = async (
  t: Test,
  module: string,
  env: Record<string, string>,
): Promise<Record<string, string>> => {
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-p11-kit-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const server = spawn(
    "p11-kit",
    ["server", "--foreground", "--name", join(folder, "socket"), "--provider", module, "pkcs11:"],
    {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.teardown(async () => {
    if (server.exitCode !== null) return;
    server.kill("SIGKILL");
    await once(server, "exit");
  });
  for await (const line of createInterface({ input: server.stdout })) {
    const address = /^P11_KIT_SERVER_ADDRESS=(.+?);/.exec(line)?.[1];
    if (address !== undefined) return { P11_KIT_SERVER_ADDRESS: address };
  }
  throw new Error("p11-kit server ended without saying where it listens");
};

for (const layout of ["packed", "per-key"] as const) {
  t.test(`${layout}: written, read, changed and deleted through p11-kit`, async (t) => {
    const { token } = await tokenFixture(t);
    const env = await serve(t, token.module, token.env);
    const way = { module: clientModule(), label: token.label, pinFile: token.pinFile, env };
    const store = watchedStore(way, { writes: { layout } });
    t.teardown(() => store.close());
    for (const outcome of ["created", "changed"] as const) {
      const data = someKeys(["a", "b"]);
      t.match(await store.change(PATH, { type: "put", data }), { kind: "written", outcome });
      t.match(await store.read(PATH), { kind: "found", checksum: checksum(data) });
    }
    t.match(await store.change(PATH, { type: "delete" }), { kind: "deleted" });
    t.match(await store.read(PATH), { kind: "absent" });
  });
}
