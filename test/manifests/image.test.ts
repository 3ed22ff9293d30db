// SPDX-License-Identifier: Apache-2.0
// Tests the Dockerfile without a build: its stages, its user, and its build context.
import { execFileSync, spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import picomatch from "picomatch";
import t from "tap";
import { parse } from "yaml";
import { as, containersOf, pick, rendered, root, Workload } from "./rendered.ts";

/** Instructions with their arguments; continued lines joined, comments left out. */
const instructions = readFileSync(join(root, "Dockerfile"), "utf8")
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll(/\\\n\s*/g, " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => {
    const [, instruction = "", rest = ""] = line.match(/^([A-Z]+) (.*)$/) ?? [];
    return { instruction, rest };
  });
const of = (name: string) =>
  instructions.filter(({ instruction }) => instruction === name).map(({ rest }) => rest);

/** Whether the build sees `path`, by .dockerignore's rules: the last pattern that matches it or a parent decides. */
const isSent = (path: string): boolean => {
  const patterns = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const parts = path.split("/");
  const itself = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  return patterns.reduce((sent, pattern) => {
    const matches = picomatch(pattern.replace(/^!/, ""), { dot: true });
    return itself.some((parent) => matches(parent)) ? pattern.startsWith("!") : sent;
  }, true);
};

t.test("two stages of the Node that package.json asks for; the second has no compiler", async (t) => {
  t.same(of("FROM"), ["node:24-bookworm AS build", "node:24-bookworm-slim"]);
  const engine: unknown = parse(readFileSync(join(root, "package.json"), "utf8"));
  t.equal(as(Type.Object({ engines: Type.Object({ node: Type.String() }) }), engine).engines.node, ">=24");
  t.notMatch(of("RUN").at(-1), /g\+\+|make|python|npm/);
});

t.test("install scripts stay off, but for the one native add-on", async (t) => {
  t.match(of("COPY")[0], /package\.json package-lock\.json \.npmrc /);
  t.match(readFileSync(join(root, ".npmrc"), "utf8"), /^ignore-scripts=true$/m);
  t.equal(of("RUN")[0], "npm ci && npm rebuild --ignore-scripts=false pkcs11js");
  t.equal(of("RUN")[2], "node scripts/build.ts");
});

t.test("the native crypto library is downloaded when it is asked for, and not otherwise", async (t) => {
  const folder = t.testdir({});
  writeFileSync(join(folder, "npm"), '#!/bin/sh\necho "npm $*"\n', { mode: 0o755 });
  const run = (choice: string) =>
    execFileSync("sh", ["-c", of("RUN")[1] ?? ""], {
      env: { PATH: `${folder}:${process.env.PATH}`, NATIVE_CRYPTO: choice },
      encoding: "utf8",
    });
  const [choice = ""] = (of("ARG")[0] ?? "").split(" ");
  t.equal(choice, "NATIVE_CRYPTO=false");
  t.equal(run("false"), "");
  t.equal(run("true"), "npm rebuild --ignore-scripts=false @matrix-org/matrix-sdk-crypto-nodejs\n");
});

const Package = Type.Object({ dependencies: Type.Record(Type.String(), Type.String()) });
const Lock = Type.Object({
  packages: Type.Record(Type.String(), Type.Object({ dev: Type.Optional(Type.Boolean()) })),
});

t.test(
  "every package that server/ and hooks/ import is still there without the development ones",
  async (t) => {
    const { dependencies } = as(Package, parse(readFileSync(join(root, "package.json"), "utf8")));
    const { packages } = as(Lock, parse(readFileSync(join(root, "package-lock.json"), "utf8")));
    const imported = new Set<string>();
    for (const file of globSync("{server,hooks}/**/*.ts", { cwd: root })) {
      const text = readFileSync(join(root, file), "utf8");
      for (const [, name = ""] of text.matchAll(
        /(?:\bfrom\s+|\b(?:import|resolve|require)\s*\(?\s*)"((?:@[\w.-]+\/)?[\w.-]+)(?:\/[^"]*)?"/g,
      )) {
        if (!name.startsWith(".")) imported.add(name);
      }
    }
    t.ok(imported.has("fastify") && imported.has("matrix-bot-sdk"), [...imported].join(" "));
    for (const name of imported) {
      t.ok(Object.hasOwn(dependencies, name), `${name} is a dependency`);
      const locked = packages[`node_modules/${name}`];
      t.ok(locked !== undefined && locked.dev !== true, `${name} stays`);
    }
  },
);

const entrypoint = (): string[] => JSON.parse(of("ENTRYPOINT")[0] ?? "");

t.test("it runs as user 1200, as the manifests have it, under an init", async (t) => {
  const lastStage = instructions.slice(
    instructions.findLastIndex(({ instruction }) => instruction === "FROM"),
  );
  t.equal(lastStage.find(({ instruction }) => instruction === "USER")?.rest, "1200:1200");
  const [init, end, shell, option, script, ...name] = entrypoint();
  t.same([init, end, shell, option, ...name], ["/usr/bin/tini", "--", "/bin/sh", "-c", "keyswitch"]);
  t.match(script, /exec node (--[a-z-]+(=\d+)? )*dist\/server\/main\.js/);
});

t.test("its processes dump no core, and have the arguments of the container", async (t) => {
  const [, , shell = "", option = "", script = "", ...name] = entrypoint();
  const inside = script.replace(/node .*dist\/server\/main\.js/, "/bin/sh -c 'ulimit -c; echo \"$@\"' node");
  const { stdout } = spawnSync(
    "/bin/sh",
    ["-c", 'ulimit -c 1024; exec "$@"', "-", shell, option, inside, ...name, "web hook"],
    {
      encoding: "utf8",
    },
  );
  t.equal(stdout, "0\nweb hook\n");
});

t.test("nothing is copied wholesale, added, or set that is a secret", async (t) => {
  t.same(of("ADD"), []);
  for (const copy of of("COPY")) t.notMatch(copy, /(^| )\.( |$)/, copy);
  t.notMatch([...of("ENV"), ...of("ARG")].join("\n"), /TOKEN|PIN|PASSWORD|SECRET|_FILE/);
});

t.test("the module that the agent loads is linked where the manifests say", async (t) => {
  const agent = as(Workload, pick(rendered("manifests"), "DaemonSet", "keyswitch-agent"));
  const env = containersOf(agent).flatMap(({ env }) => env ?? []);
  const module = env.find(({ name }) => name === "PKCS11_MODULE")?.value ?? "";
  t.ok(of("RUN").at(-1)?.includes(` ${module} `), module);
});

t.test(
  "the CCID driver is taught the Pico HSM's id, in each of its three lists at the same place",
  async (t) => {
    const expressions = [...(of("RUN").at(-1) ?? "").matchAll(/ -e '([^']+)'/g)].flatMap(([, text]) => [
      "-e",
      text ?? "",
    ]);
    const list = (name: string, value: string) =>
      `<key>${name}</key>\n\t<array>\n\t\t<string>${value}</string>\n\t</array>\n`;
    const plist =
      list("ifdVendorID", "0x1") + list("ifdProductID", "0x2") + list("ifdFriendlyName", "A reader");
    const edited = execFileSync("sed", expressions, { input: plist, encoding: "utf8" });
    t.same(
      [...edited.matchAll(/<string>(.*?)<\/string>/g)].map(([, value]) => value),
      ["0x2E8A", "0x1", "0x10FD", "0x2", "Pico HSM", "A reader"],
    );
  },
);

for (const [path, sent] of [
  ["server/main.ts", true],
  ["hooks/hsmsecret/sync.ts", true],
  ["package.json", true],
  ["package-lock.json", true],
  [".npmrc", true],
  ["scripts/bundle/build-product.ts", true],
  ["scripts/start.ts", false],
  ["test/manifests/image.test.ts", false],
  [".git/config", false],
  ["node_modules/tap/package.json", false],
  ["dist/server/main.js", false],
  [".env", false],
  ["ca.key", false],
] as const) {
  t.test(`the build ${sent ? "sees" : "does not see"} ${path}`, async (t) => {
    t.equal(isSent(path), sent);
  });
}

t.test(
  "of the build only what it made is in the image, with the manifest that has the version",
  async (t) => {
    t.same(
      of("COPY").filter((copy) => copy.startsWith("--from")),
      ["--from=build /app/package.json ./", "--from=build /app/dist dist"],
    );
  },
);

t.test("the build sees all that the Dockerfile copies", async (t) => {
  const sources = of("COPY")
    .filter((copy) => !copy.startsWith("--from"))
    .flatMap((copy) => copy.split(" ").slice(0, -1));
  for (const source of sources) {
    t.ok(isSent(source), source);
    t.ok(globSync(source, { cwd: root }).length === 1, `${source} exists`);
  }
});
