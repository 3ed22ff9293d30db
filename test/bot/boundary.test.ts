// SPDX-License-Identifier: Apache-2.0
// Tests the linter's import rules between server/bot and server/matrix.
import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));

const lint = (folder: string, file: string) => {
  copyFileSync(`${root}/biome.json`, `${folder}/biome.json`);
  return spawnSync("biome", ["lint", "--vcs-enabled=false", "--colors=off", file], {
    cwd: folder,
    encoding: "utf8",
  });
};

const REFUSED = [
  ["bot", "../matrix/http.ts", /The bot knows nothing of Matrix/],
  ["bot", "../matrix/crypto/engine.ts", /The bot knows nothing of Matrix/],
  ["bot", "matrix-bot-sdk", /The bot knows nothing of Matrix/],
  ["bot", "@matrix-org/matrix-sdk-crypto-nodejs", /The bot knows nothing of Matrix/],
  ["matrix", "../bot/runner.ts", /Matrix knows nothing of the bot but/],
] as const;

for (const [who, from, says] of REFUSED) {
  t.test(`server/${who} may not import ${from}`, async (t) => {
    const folder = t.testdir({ server: { [who]: { "main.ts": `import "${from}";\n` } } });
    const { status, stderr } = lint(folder, `server/${who}/main.ts`);
    t.not(status, 0);
    t.match(stderr, says);
  });
}

t.test("what they share may be imported", async (t) => {
  for (const [who, from] of [
    ["bot", "../kubernetes/toggles.ts"],
    ["matrix", "../bot/chat.ts"],
    ["matrix", "../bot/store.ts"],
  ] as const) {
    const folder = t.testdir({ server: { [who]: { "main.ts": `import "${from}";\n` } } });
    t.equal(lint(folder, `server/${who}/main.ts`).status, 0, `${who} imports ${from}`);
  }
});
