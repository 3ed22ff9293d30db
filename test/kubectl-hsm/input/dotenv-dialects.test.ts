// SPDX-License-Identifier: Apache-2.0
// Tests the table of .env dialects in docs/kubectl-hsm.md against kubectl-hsm, the real kubectl and Node, and against recorded
// results of Docker Compose's library.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import t from "tap";
import { readDotenv } from "../../../server/kubectl-hsm/input/dotenv.ts";
import { readEnvFile } from "../../../server/kubectl-hsm/input/env-file.ts";
import { kubectlReads } from "../cluster/real-kubectl.ts";
import { temporaryFolder } from "../fixture.ts";
import { type Reading, readingsOf } from "./dotenv-dialects.ts";
import { shown, told } from "./parsed-keys.ts";

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
const rows = readingsOf(read("docs/kubectl-hsm.md"));
const hex = (text: string) => Buffer.from(text).toString("hex");

/** What was read, in the words of the table; a refusal must say where. */
const readingFrom = (from: [string, string][] | string): Reading => {
  if (typeof from === "string") {
    return /in line \d+, column \d+|^error: /.test(from) ? "refused" : { value: `no place: ${from}` };
  }
  const value = new Map(from).get("A");
  return value === undefined ? "left out" : { value: Buffer.from(value, "hex").toString() };
};

t.test("kubectl hsm, Docker Compose and Node", async (t) => {
  const { readings }: { readings: [string, string | null][] } = JSON.parse(
    read("test/fixtures/compose-readings.json"),
  );
  t.same(
    readings.map(([text]) => text),
    rows.map(({ text }) => text),
  );
  for (const [index, { text, hsm, compose, node }] of rows.entries()) {
    const contents = Buffer.from(`${text}\n`);
    t.same(readingFrom(told(readDotenv(contents))), hsm, `kubectl hsm: ${shown(text)}`);
    const recorded = readings[index]?.[1] ?? null;
    const asked = recorded === null ? "refused" : recorded === "environment" ? recorded : { value: recorded };
    t.same(asked, compose, `Docker Compose: ${shown(text)}`);
    const parsed = parseEnv(`${text}\n`).A;
    t.same(parsed === undefined ? "left out" : { value: parsed }, node, `Node: ${shown(text)}`);
  }
});

t.test("kubectl, and --from-env-file as kubectl", async (t) => {
  const folder = temporaryFolder(t);
  // Those that it takes are one file, each with a key of its own.
  const taken = rows.flatMap(({ text, kubectl }) =>
    typeof kubectl === "string" ? [] : [{ text, ...kubectl }],
  );
  const lines = taken.map(({ text }, index) => `${text.replace("A", `A${index + 100}`)}\n`).join("");
  const wanted = taken.map(({ value }, index) => [`A${index + 100}`, hex(value)]);
  t.same(await kubectlReads(folder, lines), wanted);
  t.same(told(readEnvFile(Buffer.from(lines))), wanted);
  const refused = rows.filter(({ kubectl }) => kubectl === "refused");
  await Promise.all(
    refused.map(async ({ text }) => {
      t.equal(readingFrom(await kubectlReads(folder, `${text}\n`)), "refused", `kubectl: ${shown(text)}`);
      t.equal(
        readingFrom(told(readEnvFile(Buffer.from(`${text}\n`)))),
        "refused",
        `env file: ${shown(text)}`,
      );
    }),
  );
  t.ok(taken.length > 20 && refused.length > 5);
});

t.test("a line without = is the environment's to kubectl, and refused here", async (t) => {
  const folder = temporaryFolder(t);
  t.same(
    rows.filter(({ kubectl }) => kubectl === "environment").map(({ text }) => text),
    ["A"],
  );
  t.same(await kubectlReads(folder, "A\n", { A: "environment" }), [["A", hex("environment")]]);
  t.equal(
    told(readEnvFile(Buffer.from("B=1\n A\n"))),
    "has no KEY=value in line 2, column 2: kubectl would take the value from the environment; it is not read here",
  );
});
