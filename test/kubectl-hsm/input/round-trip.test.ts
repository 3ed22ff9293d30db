// SPDX-License-Identifier: Apache-2.0
// Tests that what is written reads back byte for byte: exports, JSON, .env lines, for any bytes, names of keys and numbers.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { readDotenv } from "../../../server/kubectl-hsm/input/dotenv.ts";
import { readEnvFile } from "../../../server/kubectl-hsm/input/env-file.ts";
import { readJsonKeys } from "../../../server/kubectl-hsm/input/file-formats.ts";
import { readBundle } from "../../../server/kubectl-hsm/input/import-file.ts";
import { isKeyForBoth } from "../../../server/kubectl-hsm/input/secret-keys.ts";
import { startAgent, temporaryFolder } from "../fixture.ts";
import { runHere } from "../in-process.ts";
import { bytesOf, told } from "./parsed-keys.ts";

const SEED = 20_261_129;

const letters = [..."abcXYZ019._-"];
const key = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 12 }),
    fc.constantFrom(
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "secrets",
      "tls.key",
      "k".repeat(253),
    ),
  )
  .filter(isKeyForBoth);
const text = fc.string({ unit: "binary", maxLength: 30 });
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  text.map((value) => new Uint8Array(Buffer.from(value))),
);
const entries = <T>(value: fc.Arbitrary<T>) =>
  fc.uniqueArray(fc.tuple(key, value), { minLength: 1, maxLength: 6, selector: ([name]) => name });
const name = fc.string({ unit: fc.constantFrom(..."abz0-9"), minLength: 1, maxLength: 8 });
const secrets = fc.uniqueArray(
  fc.record({
    name,
    data: entries(bytes),
    metadata: fc.record(
      { description: text, labels: fc.dictionary(key, text, { minKeys: 1, maxKeys: 3 }), source: text },
      { requiredKeys: [] },
    ),
  }),
  { minLength: 1, maxLength: 4, selector: (secret) => secret.name },
);

const sorted = (data: Iterable<readonly [string, Uint8Array]>) =>
  bytesOf(data).sort(([a], [b]) => (a < b ? -1 : 1));

t.test("import reads what export --plain writes", async (t) => {
  const [from, to] = [await startAgent(t), await startAgent(t)];
  const file = join(temporaryFolder(t), "export.json");
  let round = 0;
  await fc.assert(
    fc.asyncProperty(secrets, async (wanted) => {
      round += 1;
      const namespace = `ns-${round}`;
      const pathOf = async (one: string) => `secrets/${namespace}/${one}`;
      for (const one of wanted) {
        from.store.put(await pathOf(one.name), Object.fromEntries(one.data), { metadata: one.metadata });
      }
      const exported = await runHere(["export", "--plain", "-n", namespace], { env: from.env });
      t.equal(exported.code, 0, exported.stderr);
      const options = { format: "json", name: undefined, pathOf } as const;
      const read = await readBundle("-", Buffer.from(exported.stdout), options);
      t.equal(read.length, wanted.length);
      for (const { name: own, data, metadata } of wanted) {
        const path = await pathOf(own);
        const found = read.find((one) => one.path === path);
        t.same(sorted(found?.data ?? []), sorted(data));
        t.strictSame(JSON.stringify(found?.metadata ?? {}), JSON.stringify(metadata));
      }
      // Through the second agent as well.
      writeFileSync(file, exported.stdout);
      const imported = await runHere(["import", file, "-n", namespace], { env: to.env });
      t.equal(imported.code, 0, imported.stderr);
      for (const { name: own, data } of wanted) {
        const secret = await to.store.read(await pathOf(own));
        t.same(sorted(secret.kind === "found" ? secret.data : []), sorted(data));
      }
    }),
    { numRuns: 30, seed: SEED },
  );
});

t.test("JSON: texts as they are, numbers as they are written", async (t) => {
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 40 });
  const number = fc
    .tuple(fc.constantFrom("", "-"), fc.bigInt({ min: 0n }), fc.option(digits), fc.option(fc.integer()))
    .map(([sign, whole, fraction, exponent]) =>
      [sign, whole, fraction === null ? "" : `.${fraction}`, exponent === null ? "" : `e${exponent}`].join(
        "",
      ),
    );
  const value = fc.oneof(
    text.map((one) => ({ written: JSON.stringify(one), value: one })),
    number.map((one) => ({ written: one, value: one })),
    fc.boolean().map((one) => ({ written: String(one), value: String(one) })),
  );
  fc.assert(
    fc.property(entries(value), fc.constantFrom("", " ", "\n\t"), (wanted, space) => {
      const members = wanted.map(([one, { written }]) => `${JSON.stringify(one)}:${space}${written}`);
      const read = readJsonKeys(Buffer.from(`{${members.join(`,${space}`)}}`));
      t.same(told(read), bytesOf(wanted.map(([one, { value: own }]) => [one, own])));
    }),
    { numRuns: 500, seed: SEED },
  );
});

t.test(".env lines in either quotes, and the verbatim lines of --from-env-file", async (t) => {
  const quoted: ((value: string) => string)[] = [
    (value) => `"${value.replace(/["\\$]/g, "\\$&")}"`,
    // As a shell's users do it; a backslash before the quotation mark is not for single quotes.
    (value) =>
      value.replace(
        /([^']*)('*)/g,
        (_, plain: string, marks: string) => `'${plain}'${marks && `"${marks}"`}`,
      ),
  ];
  fc.assert(
    fc.property(entries(text), fc.constantFrom(...quoted), (wanted, quote) => {
      const taken = wanted
        .filter(([, value]) => !value.includes("\r") && !/\\('|$)/.test(value))
        .map(([one, value]): [string, string] => [one, value]);
      fc.pre(taken.length > 0);
      const lines = taken.map(([one, value]) => `${one}=${quote(value)}`).join("\n");
      t.same(told(readDotenv(Buffer.from(lines))), bytesOf(taken));
      const oneLine = taken.filter(([one, value]) => !/^\d/.test(one) && !value.includes("\n"));
      const verbatim = oneLine.map(([one, value]) => `${one}=${value}\n`).join("");
      if (oneLine.length > 0) t.same(told(readEnvFile(Buffer.from(verbatim))), bytesOf(oneLine));
    }),
    { numRuns: 500, seed: SEED },
  );
});

t.test("what a shell reads of quotes is what is read", async (t) => {
  const values = [
    ...["'it'\"'\"'s'", "'it'\\''s'", "'x''y'", '"x"\'y\'\\""z"', "''", '""', "'a\\\\b'"],
    ...[
      '"{\\"a\\":1}"',
      '"a\\\\b"',
      '"a\\\\nb"',
      '"a\\$b"',
      '"C:\\Users"',
      '"it\\\'s"',
      "'$x'",
      "'x\n# y\nz==\n'",
    ],
  ];
  const script = values.map((value) => `A=${value}\nprintf '%s\\0' "$A"\n`).join("");
  const shell = spawnSync("sh", ["-c", script], { encoding: "utf8", timeout: 30_000 });
  const wanted = shell.stdout.split("\0").slice(0, -1);
  t.equal(wanted.length, values.length, shell.stderr);
  for (const [index, value] of values.entries()) {
    t.same(told(readDotenv(Buffer.from(`A=${value}`))), bytesOf([["A", wanted[index] ?? "none"]]), value);
  }
});
