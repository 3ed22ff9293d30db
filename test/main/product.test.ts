// SPDX-License-Identifier: Apache-2.0
// Tests the product as the image has it, made by the Dockerfile's own steps: which files there are, and that each program runs
// from them.
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import t from "tap";
import { BUNDLES } from "../../scripts/bundle/bundle-roles.ts";
import { SDK_NAMES } from "../../scripts/bundle/bundled-sdk.ts";
import { startProcess } from "./process-under-test.ts";
import { makeProduct } from "./product-under-test.ts";

const { folder, files } = makeProduct(t);
const main = join(folder, "dist/server/main.js");
const isLibrary = (file: string) => /\/matrix-sdk-crypto-nodejs\//.test(file);

t.test("its files are the bundles with their maps, the packages that are read, and licences", async (t) => {
  const bundles = Object.keys(BUNDLES).flatMap((out) => [`dist/${out}.js`, `dist/${out}.js.map`]);
  const packages = [
    "@matrix-org/matrix-sdk-crypto-wasm/LICENSE",
    "@matrix-org/matrix-sdk-crypto-wasm/node.mjs",
    "@matrix-org/matrix-sdk-crypto-wasm/package.json",
    "@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.js",
    "@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm",
    "pkcs11js/LICENSE",
    "pkcs11js/build/Release/pkcs11.node",
    "pkcs11js/index.js",
    "pkcs11js/package.json",
  ].map((file) => `dist/node_modules/${file}`);
  const chunk = /^dist\/server\/chunks\/[a-z-]+-[A-Z0-9]{8}\.js(\.map)?$/;
  t.ok(files.some((file) => chunk.test(file)));
  t.same(
    files.filter((file) => !chunk.test(file) && !isLibrary(file)),
    [...bundles, ...packages, "dist/THIRD-PARTY-LICENSES.txt", "package.json"].toSorted(),
  );
});

t.test("the licences name every package whose code is in a bundle, with its text", async (t) => {
  const licences = readFileSync(join(folder, "dist/THIRD-PARTY-LICENSES.txt"), "utf8");
  for (const name of ["fastify", "undici", "matrix-bot-sdk", "@grpc/grpc-js", "age-encryption", "yaml"]) {
    t.match(licences, new RegExp(`^${name} [0-9.]+ \\([-A-Z0-9.a-z]+\\)\n\n\\S`, "m"), name);
  }
  const without = licences.split(`\n${"-".repeat(80)}\n`).filter((part) => !/\n\n\S/.test(part.trim()));
  t.same(without, [], "some have it in their README alone");
  t.notMatch(licences, /^(esbuild|tap|typescript) /m);
});

/** The packages whose code is in a bundle or in one of its chunks, by the maps. */
const packagesIn = (name: string): string[] => {
  const maps = files.filter((file) =>
    new RegExp(`^dist/server/(roles/${name}|chunks/${name}-[^/]+)\\.js\\.map$`).test(file),
  );
  const sources = maps.flatMap(
    (file): string[] => JSON.parse(readFileSync(join(folder, file), "utf8")).sources,
  );
  const names = sources.map((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? "");
  return [...new Set(names)].filter(Boolean).toSorted();
};

t.test(
  "the PKCS#11 child process has the binding and its codecs, and no role has another's packages",
  async (t) => {
    t.same(packagesIn("pkcs11-child"), ["@sinclair/typebox", "cborg", "graphene-pk11", "tslib"]);
    const ofOthers = {
      webhook: ["matrix-bot-sdk", "graphene-pk11", "@grpc/grpc-js", "fake-indexeddb", "htmlparser2"],
      agent: ["matrix-bot-sdk", "graphene-pk11", "@grpc/grpc-js", "croner", "yaml"],
      bot: ["graphene-pk11", "@grpc/grpc-js", "express", "request", "cborg"],
      discovery: ["matrix-bot-sdk", "graphene-pk11", "undici", "yaml"],
    };
    for (const [role, packages] of Object.entries(ofOthers)) {
      const found = packagesIn(role);
      t.ok(found.includes("fastify"), role);
      t.same(
        found.filter((name) => packages.includes(name)),
        [],
        role,
      );
    }
  },
);

t.test("no bundle imports Node's own modules, which reads all that they export", async (t) => {
  const scripts = files.filter((file) => /^dist\/server\/.*\.js$/.test(file));
  const importing = scripts.filter((file) =>
    [...readFileSync(join(folder, file), "utf8").matchAll(/(?:\bfrom|\bimport\(|\bimport) ?"([^"]+)"/g)].some(
      ([, name = ""]) => isBuiltin(name),
    ),
  );
  t.same(importing, []);
});

t.test(
  "the PKCS#11 child process uses the binding as it is, and no copy for each module of graphene",
  async (t) => {
    const scripts = files.filter((file) => /^dist\/server\/(roles\/|chunks\/)pkcs11-child.*\.js$/.test(file));
    const code = scripts.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
    const requires = [...code.matchAll(/(.)\b(?:__)?require\("pkcs11js"\)/g)].map(([, before]) => before);
    t.ok(requires.length > 0, "it is a package beside the bundle");
    t.same(
      requires.filter((before) => before !== "="),
      [],
      "no helper that copies is around it",
    );
  },
);

t.test("what server/ imports of matrix-bot-sdk is named for the bundle", async (t) => {
  const root = new URL("../../", import.meta.url);
  const used = globSync("server/matrix/**/*.ts", { cwd: root }).flatMap((file) =>
    [
      ...readFileSync(new URL(file, root), "utf8").matchAll(
        /const \{ ([^}]+) \} = await import\("matrix-bot-sdk"\)/g,
      ),
    ].flatMap(([, names = ""]) => names.split(", ").map((name) => name.replace(/:.*/, ""))),
  );
  t.ok(used.length >= 5);
  const named: readonly string[] = SDK_NAMES;
  t.same(
    used.filter((name) => !named.includes(name)),
    [],
  );
});

t.test("the webhook answers", async (t) => {
  const webhook = startProcess(t, "webhook", { LISTEN_PORT: "0", AGENTS: "a=http://127.0.0.1:1" }, main);
  const { status } = await fetch(`${await webhook.address()}/healthz`);
  t.equal(status, 200);
});

t.test("the agent starts its PKCS#11 child process", async (t) => {
  const own = t.testdir({ pin: "1234\n", "none.so": "" });
  const agent = startProcess(
    t,
    "agent",
    {
      LISTEN_PORT: "0",
      DEVICE_NAME: "a",
      NODE_NAME: "n",
      PKCS11_MODULE: join(own, "none.so"),
      PKCS11_TOKEN_LABEL: "a",
      PKCS11_PIN_FILE: join(own, "pin"),
    },
    main,
  );
  // It is the child that tries to load the module.
  t.match(await agent.logged("the token can't be read"), { reason: /none\.so can't be loaded as a PKCS#11/ });
});

t.test("discovery loads its device plugin", async (t) => {
  // Not the test's own folder: a path of a socket in it has to be short.
  const own = join(folder, "..");
  for (const one of ["sys/bus/usb/devices", "plugins"]) mkdirSync(join(own, one), { recursive: true });
  const env = { NODE_NAME: "n", SYSFS_ROOT: join(own, "sys"), DEVICE_PLUGIN_DIR: join(own, "plugins") };
  const discovery = startProcess(t, "discovery", { LISTEN_PORT: "0", ...env }, main);
  await discovery.logged(/no kubelet\.sock/);
  await discovery.logged("ready");
});

t.test("the bot loads matrix-bot-sdk on its crypto engine, and asks the homeserver", async (t) => {
  const own = t.testdir({ password: "of nobody" });
  writeFileSync(
    join(own, "kubeconfig"),
    `{current-context: a, clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: a, context: {cluster: a}}]}`,
  );
  const bot = startProcess(
    t,
    "bot",
    {
      LISTEN_PORT: "0",
      MATRIX_HOMESERVER: "http://127.0.0.1:1",
      MATRIX_USER: "bot",
      MATRIX_PASSWORD_FILE: join(own, "password"),
      ALLOWED_USERS: "@alice:example.org",
      CRYPTO_STORE_PATH: join(own, "store"),
      KUBECONFIG: join(own, "kubeconfig"),
    },
    main,
  );
  await bot.logged("messages are encrypted by this engine");
  await bot.logged(/^Server listening at /);
});

t.test("conntest and kubectl hsm run, and know the version", async (t) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, { env: { PATH: process.env.PATH }, encoding: "utf8" });
  t.match(run(main, "conntest", "--help").stdout, /^usage: node main\.js conntest/);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const name of ["kubectl-hsm", "kubectl-complete-hsm"]) {
    const program = join(folder, `dist/server/${name}.js`);
    t.match(readFileSync(program, "utf8"), /^#!\/usr\/bin\/env node\n/);
    t.equal(statSync(program).mode & 0o111, 0o111, `${name} can be started`);
  }
  t.match(run(join(folder, "dist/server/kubectl-hsm.js"), "version").stdout, version);
  t.match(run(join(folder, "dist/server/kubectl-complete-hsm.js"), "he").stdout, /^health/m);
});
