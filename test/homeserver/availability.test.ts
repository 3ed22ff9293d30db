// SPDX-License-Identifier: Apache-2.0
// Tests a machine without Synapse: tests that need it are skipped and counted, never omitted and never failed.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { findSynapseRoot } from "../../scripts/homeserver/synapse-root.ts";
import { synapseFor } from "../matrix/synapse.ts";

/** The file's own. */
const root = t;
const project = fileURLToPath(new URL("../..", import.meta.url));

t.test("a test file without Synapse counts one skipped test, with the reason", async (t) => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(project, "test/homeserver/without-synapse.ts"), "no root here"],
    { encoding: "utf8", env: { ...process.env, TAP: "1" } },
  );
  t.equal(status, 0);
  t.match(stdout, /^ {4}ok 1 - Synapse # SKIP no root here$/m);
  t.match(stdout, /^ {4}1\.\.1$/m);
  t.notMatch(stdout, /not ok/);
});

t.test("a file's own t is refused, because tap would end it while the file waits", async (t) => {
  await t.rejects(synapseFor(root, { availability: { kind: "unavailable", why: "" } }), {
    message: /within a test/,
  });
});

t.test("a root without its marker is not used: it is half-built", async (t) => {
  const folder = t.testdir({ usr: { bin: {} } });
  t.equal(findSynapseRoot(folder).kind, "unavailable");
  mkdirSync(join(folder, "var/lib/keyswitch"), { recursive: true });
  writeFileSync(join(folder, "var/lib/keyswitch/synapse-version"), "1.2.3\n");
  const asRoot = process.platform === "linux" && process.getuid?.() === 0;
  t.equal(findSynapseRoot(folder).kind, asRoot ? "ready" : "unavailable");
});
