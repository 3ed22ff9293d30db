// SPDX-License-Identifier: Apache-2.0
// Tests that matrix-bot-sdk needs none of the packages withheld from it, and that a use of one would be noticed.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import t from "tap";
import { loadCryptoEngine } from "../../../server/matrix/crypto/engine.ts";
import { UNUSED } from "../../../server/matrix/crypto/unused-packages.ts";

const requireInSdk = createRequire(createRequire(import.meta.url).resolve("matrix-bot-sdk"));
const lib = dirname(requireInSdk.resolve("matrix-bot-sdk"));

/**
 * The files of matrix-bot-sdk that may ask for such a package: of the client's own, MatrixClient.js has replyHtmlText and its
 * like, which nobody here calls, and request.js has the function that setRequestFn replaces.
 */
const ASKING: Readonly<Record<(typeof UNUSED)[number], readonly string[]>> = {
  express: ["appservice/Appservice.js"],
  "glob-to-regexp": ["helpers/MatrixGlob.js"],
  "html-to-text": ["MatrixClient.js"],
  htmlencode: ["MatrixClient.js"],
  lowdb: ["storage/RustSdkCryptoStorageProvider.js", "storage/SimpleFsStorageProvider.js"],
  "lowdb/adapters/FileSync": [
    "storage/RustSdkCryptoStorageProvider.js",
    "storage/SimpleFsStorageProvider.js",
  ],
  mkdirp: ["storage/RustSdkCryptoStorageProvider.js", "storage/SimpleFsStorageProvider.js"],
  morgan: ["appservice/Appservice.js"],
  postgres: ["storage/SimplePostgresStorageProvider.js"],
  request: ["request.js"],
  "sanitize-html": ["helpers/RichReply.js"],
};

t.test("no other file of matrix-bot-sdk asks for them", async (t) => {
  const files = readdirSync(lib, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".js"),
  );
  const texts = files.map((file) => ({ file, text: readFileSync(join(lib, file), "utf8") }));
  for (const name of UNUSED) {
    const asking = texts.filter(({ text }) => text.includes(`require("${name}")`)).map(({ file }) => file);
    t.strictSame(asking.toSorted(), ASKING[name], name);
  }
});

t.test("matrix-bot-sdk loads without them, and whoever uses one is told", async (t) => {
  const engine = await loadCryptoEngine("wasm");
  t.ok(engine.ok);
  const loaded = Object.keys(requireInSdk.cache).filter((file) => !file.startsWith(lib));
  t.ok(
    loaded.some((file) => file.includes("/node_modules/async-lock/")),
    "this cache is the one that is used",
  );
  const others = /\/node_modules\/(body-parser|lodash|tough-cookie|htmlparser2)\//;
  t.strictSame(
    loaded.filter((file) => others.test(file)),
    [],
    "nor what they need",
  );
  for (const name of UNUSED) {
    const exports = requireInSdk(name);
    const uses = {
      "a call": () => exports(),
      "a member's call": () => exports.member(),
    };
    for (const [use, run] of Object.entries(uses)) t.throws(run, { message: name }, `${use} of ${name}`);
  }
});
