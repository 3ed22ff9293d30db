// SPDX-License-Identifier: Apache-2.0
// Tests that gRPC is loaded by discovery's device plugin alone, and that one only where it is wanted: it costs each process memory.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PLUGIN = "server/discovery/device-plugin/";
const importsOf = (file: string): { from: string; isLoad: boolean; isDynamic: boolean }[] =>
  [
    ...readFileSync(`${root}${file}`, "utf8").matchAll(
      /(import type [^;]*?from |[^\n]*\bfrom |\bimport |import\()\s*"([^"]+)"/g,
    ),
  ].map(([, how = "", from = ""]) => ({
    from,
    isLoad: !how.startsWith("import type"),
    isDynamic: how.startsWith("import("),
  }));

const product = globSync("{hooks,server,scripts}/**/*.ts", { cwd: root });

t.test("only the device plugin imports gRPC and its messages' library", async (t) => {
  const importers = product.filter((file) =>
    importsOf(file).some(({ from }) => /^(@grpc\/|pbf$|protobufjs)/.test(from)),
  );
  t.ok(importers.length > 2);
  t.same(
    importers.filter((file) => !file.startsWith(PLUGIN)),
    [],
  );
});

t.test("only discovery imports the device plugin, when it has been told of a folder", async (t) => {
  const outside = product
    .filter((file) => !file.startsWith(PLUGIN))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ from }) => from.includes("device-plugin/"))
        .map(({ isDynamic }) => `${file}${isDynamic ? " import()" : ""}`),
    );
  t.same(outside, ["server/discovery/main.ts import()"]);
});
