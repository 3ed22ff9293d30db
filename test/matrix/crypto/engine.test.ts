// SPDX-License-Identifier: Apache-2.0
// Tests the choice of the crypto engine, and that matrix-bot-sdk gets it.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";

const PROGRAM = fileURLToPath(new URL("engine-choice.ts", import.meta.url));

const choose = async (...choice: string[]) => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...choice]);
  return JSON.parse(stdout);
};

const rows = [
  ["auto takes WASM where the native library is missing", ["auto", "missing"], "wasm", "TextId"],
  ["auto takes the native engine where its library is there", ["auto", "there"], "native", "StandIn"],
  ["wasm is taken although the native library is there", ["wasm", "there"], "wasm", "TextId"],
  ["native is taken where its library is there", ["native", "there"], "native", "StandIn"],
] as const;

for (const [title, choice, engine, userId] of rows) {
  t.test(title, async (t) => {
    const chosen = await choose(...choice);
    t.match(chosen.result, { ok: true, engine });
    t.match(chosen.userId, userId, "what matrix-bot-sdk requires is this engine's package");
    t.equal(chosen.sdk, "function", "an import of matrix-bot-sdk finds it loaded");
  });
}

t.test("native without its library is a fault that says what to do", async (t) => {
  const { result, sdk } = await choose("native", "missing");
  t.match(result, { ok: false, fault: /CRYPTO_ENGINE=native.*download-lib\.js.*CRYPTO_ENGINE=wasm/ });
  t.equal(sdk, "undefined");
});

t.test("on this machine, auto takes what is there", async (t) => {
  const { result } = await choose("auto");
  t.ok(result.ok);
  t.comment(`this machine: ${result.engine}`);
});
