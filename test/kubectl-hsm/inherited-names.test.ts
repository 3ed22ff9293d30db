// SPDX-License-Identifier: Apache-2.0
// Tests inherited property names as keys of a secret, through the commands and files of kubectl hsm.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { INHERITED_NAMES, inheritedNames } from "../inherited-names.ts";
import { madeUp, startAgent, temporaryFolder, valueAt } from "./fixture.ts";

t.test("import, put, get, export, rename and delete take them", async (t) => {
  const agent = await startAgent(t);
  const folder = temporaryFolder(t);
  const values = inheritedNames(() => madeUp());
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`);
  const [env, json] = [join(folder, "db.env"), join(folder, "api.json")];
  writeFileSync(env, lines.join(""));
  writeFileSync(json, JSON.stringify(values));
  for (const [file, name] of [
    [env, "db"],
    [json, "api"],
  ] as const) {
    const imported = await agent.run(["import", file, "-n", "shop"]);
    t.match(imported, { code: 0, stdout: /1 created/ });
    for (const key of INHERITED_NAMES) {
      t.equal(await valueAt(agent.store, `secrets/shop/${name}`, key), values[key], `${name} ${key}`);
    }
  }
  for (const format of ["json", "yaml"]) {
    const got = await agent.run(["get", "db", "-n", "shop", "-o", format, "--show"]);
    t.equal(got.code, 0, got.stderr);
    for (const key of INHERITED_NAMES) t.match(got.stdout, new RegExp(`"?${key}"?: `));
  }
  const exported = await agent.run(["export", "db", "-n", "shop", "--plain"]);
  const other = await startAgent(t);
  const back = join(folder, "back.json");
  writeFileSync(back, exported.stdout);
  t.match(await other.run(["import", back]), { code: 0, stdout: /1 created/ });
  for (const key of INHERITED_NAMES) t.equal(await valueAt(other.store, "secrets/shop/db", key), values[key]);
  const literal = madeUp();
  const updated = await other.run([
    "update",
    "db",
    "-n",
    "shop",
    "--yes",
    `--from-literal=__proto__=${literal}`,
  ]);
  t.equal(updated.code, 0, updated.stderr);
  t.equal(await valueAt(other.store, "secrets/shop/db", "__proto__"), literal);
});
