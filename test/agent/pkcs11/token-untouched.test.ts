// SPDX-License-Identifier: Apache-2.0
// Tests that without the write token every write is rejected, and the token's files stay byte-equal.
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { startWritableAgent } from "../writable-process.ts";
import { type Fixture, tokenFixture } from "./token-fixture.ts";

t.setTimeout(590_000);

const PATH = "/v1/secrets/secrets/shop/db";

/** A digest of every file of the token. */
const filesOf = ({ token }: Fixture): string => {
  const hash = createHash("sha256");
  const tokens = join(dirname(token.pinFile), "tokens");
  for (const name of readdirSync(tokens, { recursive: true }).map(String).sort()) {
    const file = join(tokens, name);
    if (statSync(file).isFile()) hash.update(`${name}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
};

t.test("401 and 403, and an untouched token", async (t) => {
  const fixture = await tokenFixture(t);
  const value = randomBytes(8).toString("base64");
  await fixture.token.putPerKey("secrets/shop/db", { user: value });
  const agent = await startWritableAgent(t, fixture);
  t.equal((await agent.ask("GET", PATH)).status, 200);
  const before = filesOf(fixture);
  const secrets = [{ path: "secrets/shop/new", data: { a: value } }];
  const writes: [string, string, object?][] = [
    ["PUT", PATH, { data: { a: value } }],
    ["PATCH", PATH, { data: { a: value } }],
    ["DELETE", PATH],
    ["DELETE", `${PATH}?key=user`],
    ["POST", "/v1/import", { secrets }],
    ["POST", "/v1/repack", { paths: ["secrets/shop/db"] }],
    ["POST", "/v1/pin", { currentPin: fixture.token.pin, newPin: `${fixture.token.pin}1` }],
    ["GET", "/v1/export"],
  ];
  for (const token of [undefined, randomBytes(24).toString("base64url")]) {
    for (const [method, path, body] of writes) {
      const { status } = await agent.ask(method, path, { token, ...(body && { body }) });
      t.ok([401, 403].includes(status), `${method} ${path} is ${status}`);
    }
  }
  t.equal(filesOf(fixture), before);
  t.equal((await agent.ask("PATCH", PATH, { body: { data: { a: value } } })).status, 200);
  t.not(filesOf(fixture), before, "a write would have been seen");
});
