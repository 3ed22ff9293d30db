// SPDX-License-Identifier: Apache-2.0
// Tests that a WebAssembly module without its names is the same module.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { namelessWasm } from "../../scripts/bundle/nameless-wasm.ts";
import { copyRuntimePackages } from "../../scripts/bundle/runtime-packages.ts";

/** Node has it; its types do not. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { validate(bytes: Uint8Array): boolean };
};

// A function that adds, exported as `add`, with the custom sections `other` and `name`.
const custom = (name: string, ...content: number[]) => [
  ...[0, 1 + name.length + content.length, name.length],
  ...Buffer.from(name),
  ...content,
];
const before = [0, 97, 115, 109, 1, 0, 0, 0, ...[1, 7, 1, 96, 2, 127, 127, 1, 127], ...[3, 2, 1, 0]];
const after = [...[7, 7, 1, 3, 97, 100, 100, 0, 0], ...[10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]];
const module = (...middle: number[]) => new Uint8Array([...before, ...middle, ...after]);

t.test("the names are gone, and all else is there", async (t) => {
  const named = module(...custom("other", 1, 2), ...custom("name", 1, 4, 1, 0, 1, 97));
  const nameless = namelessWasm(named);
  t.same([...nameless], [...module(...custom("other", 1, 2))]);
  t.ok(wasm.validate(nameless));
});

t.test("a module that is cut off is a fault of the build", async (t) => {
  t.throws(() => namelessWasm(module().subarray(0, -1)), /ends within a section/);
  t.throws(() => namelessWasm(new Uint8Array([...before, 10, 0x80])), /ends within a number/);
});

t.test("the crypto package has names, which are a third of it", async (t) => {
  const file = fileURLToPath(
    new URL("pkg/matrix_sdk_crypto_wasm_bg.wasm", import.meta.resolve("@matrix-org/matrix-sdk-crypto-wasm")),
  );
  const bytes = readFileSync(file);
  const nameless = namelessWasm(bytes);
  t.ok(nameless.length < 0.7 * bytes.length);
  t.ok(wasm.validate(nameless));
});

t.test("a package that is installed as links keeps its names", async (t) => {
  const named = Buffer.from(module(...custom("name", 1, 4, 1, 0, 1, 97)));
  const folder = t.testdir({
    kept: { "module.wasm": named },
    root: {
      node_modules: {
        pkcs11js: {
          "package.json": "{}",
          LICENSE: "",
          "index.js": "",
          build: { Release: { "pkcs11.node": "" } },
        },
        "@matrix-org": {
          "matrix-sdk-crypto-wasm": {
            ...{ "package.json": "{}", LICENSE: "", "node.mjs": "" },
            pkg: {
              "matrix_sdk_crypto_wasm_bg.js": "",
              "matrix_sdk_crypto_wasm_bg.wasm": t.fixture("symlink", "../../../../../kept/module.wasm"),
            },
          },
        },
      },
    },
  });
  const copy = "built/node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm";
  for (const time of ["first", "second"]) {
    copyRuntimePackages(join(folder, "root"), join(folder, "built"));
    t.same([...readFileSync(join(folder, copy))], [...module()], time);
    t.same(readFileSync(join(folder, "kept/module.wasm")), named);
  }
});
