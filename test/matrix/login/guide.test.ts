// SPDX-License-Identifier: Apache-2.0
// Tests that docs/matrix-login.md matches the code: its variables, types and messages. (Its snippets are tested by the tests
// that start Synapse with them.)
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import {
  AUTH_METHODS,
  JWT_LOGIN_TYPES,
  MATRIX_VARIABLES,
  parseMatrixConfig,
} from "../../../server/config/matrix.ts";
import { EXIT_CODES } from "../../../server/conntest/main.ts";
import { readOptions, USAGE } from "../../../server/conntest/options.ts";
import { GUIDE, snippet } from "./guide.ts";

const guide = readFileSync(GUIDE, "utf8");
const server = join(import.meta.dirname, "../../../server");
const section = (title: string) =>
  guide.split(/^## /m).find((one) => one.split("\n")[0]?.includes(title)) ?? "";
/** The first cells of a section's tables, without their ticks. */
const firstCells = (text: string) =>
  [...text.matchAll(/^\| (.+?) \| /gm)].map(([, cell = ""]) => cell).filter((cell) => cell.startsWith("`"));

t.test("each variable that it names is one", async (t) => {
  const names = new Set(guide.match(/\b(MATRIX|KEYCLOAK|SSO|JWT|AUTH)_[A-Z_]+\b/g));
  for (const name of names) t.ok(Object.hasOwn(MATRIX_VARIABLES, name), name);
  for (const name of ["MATRIX_HOMESERVER", "AUTH_METHOD", "KEYCLOAK_URL", "SSO_IDP_ID"]) {
    t.ok(names.has(name));
  }
});

t.test("its tables have each way to log in, and each login type", async (t) => {
  const cells = firstCells(section("Which way"));
  for (const name of [...AUTH_METHODS, ...JWT_LOGIN_TYPES]) {
    t.equal(cells.filter((cell) => cell.split(" ")[0] === `\`${name}\``).length, 1, name);
  }
});

t.test("its example of variables is a configuration, but for the files", async (t) => {
  const lines = /```sh\n(AUTH_METHOD=[^`]+)```/.exec(guide)?.[1]?.trim().split("\n") ?? [];
  const env = Object.fromEntries(lines.map((line) => line.split("=")));
  const result = parseMatrixConfig(env);
  t.same(
    result.ok ? [] : result.faults.map(({ name }) => name),
    ["MATRIX_PASSWORD_FILE", "KEYCLOAK_CLIENT_SECRET_FILE"],
    "files of another machine",
  );
});

t.test("its options and exit codes are conntest's", async (t) => {
  const text = section("conntest");
  for (const [, line = ""] of USAGE.matchAll(/^ {2}(-.*?)(?: {2,}|$)/gm)) {
    for (const option of line.match(/--?[a-z-]+/g) ?? []) {
      t.match(text, new RegExp(`\`${option}[ \`]`), option);
    }
  }
  t.same(
    [...text.matchAll(/^\| (\d) \|/gm)].map(([, code]) => Number(code)),
    Object.values(EXIT_CODES),
  );
  const command = /main\.js conntest (--.+)$/m.exec(text)?.[1]?.split(" ") ?? [];
  t.match(readOptions(command), { ok: true });
});

t.test("each message in its troubleshooting is one of the code's", async (t) => {
  const folders = ["config", "matrix", "matrix/login", "conntest", "http"];
  const sources = folders.flatMap((folder) =>
    readdirSync(join(server, folder))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(server, folder, name), "utf8")),
  );
  // Messages are put together from pieces: "The homeserver " and what it did, or a value in between.
  const code = sources
    .join("\n")
    .replaceAll(/\$\{[^}]*\}/g, "")
    .replaceAll(/"\s*\+\s*["`]|`\s*\+\s*["`]/g, "");
  const messages = firstCells(section("Troubleshooting")).map((cell) => cell.replaceAll("`", ""));
  t.ok(messages.length > 20);
  for (const message of messages) {
    const known = code.includes(message) || code.includes(message.replace(/^(Keycloak|The homeserver) /, ""));
    t.ok(known, message);
  }
});

t.test("its snippets hold no more than the tests put into Synapse", async (t) => {
  const blocks = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  const named = (["jwt_config", "oauth", "token", "oidc_providers"] as const).map(snippet);
  t.same(blocks, named);
  for (const text of named) t.equal(typeof parse(text), "object");
});
