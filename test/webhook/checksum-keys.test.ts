// SPDX-License-Identifier: Apache-2.0
// Tests that the webhook and the agent derive the same checksum keys from the bearer token that they share.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { checksumKeyOf, checksumKeys } from "../../server/http/auth.ts";
import { createAgentClient } from "../../server/webhook/agent-client.ts";
import { writableAgent } from "../agent/writable-agent.ts";
import { recordedLog } from "../http/recorded-log.ts";

const { logger } = recordedLog();

/** A token file, and a clock. */
const files = (t: Test, content: string) => {
  const path = join(t.testdir({ token: content }), "token");
  const clock = { now: 0 };
  const get = checksumKeys({ tokenFiles: [path], logger, now: () => clock.now });
  const replace = (later: string) => {
    writeFileSync(path, later);
    clock.now += 2000;
  };
  return { get, replace, clock };
};

t.test("a conditional read with a checksum of a status is answered 304 with that tag", async (t) => {
  const { app, store, tokens, audits, shown } = writableAgent(t);
  const origin = await app.listen({ host: "127.0.0.1", port: 0 });
  const value = randomBytes(6);
  store.put("secrets/a/db", { pin: value });
  const tokenFile = join(t.testdir({ token: tokens.reader }), "token");
  const webhook = checksumKeys({ tokenFiles: [tokenFile], logger });
  const agents = createAgentClient({ agents: [{ name: "a", origin }], tokenFile, logger });
  t.teardown(() => agents.close());
  const plain = checksumOfBase64({ pin: value.toString("base64") });
  const read = (ifNoneMatch: string) =>
    agents.read({ path: "secrets/a/db", ifNoneMatch, fresh: false, requestId: "r" });
  t.match(await read(webhook().of(plain)), { outcome: "unchanged" });
  t.match(await read(plain), { outcome: "unchanged" }, "as earlier versions ask");
  store.put("secrets/a/db", { pin: "another" });
  t.match(await read(webhook().of(plain)), { outcome: "found" });
  t.equal(webhook().of(plain), shown(plain));
  t.notMatch(JSON.stringify(audits()), /"sha256:/);
});

t.test(
  "the keys follow the token file, and are renewed when other replicas have had the time to see it",
  async (t) => {
    const [one, two] = ["token-one", "token-two"].map(
      (name) => `${name}-${randomBytes(9).toString("hex")}`,
    ) as [string, string];
    const plain = checksumOfBase64({});
    const { get, replace, clock } = files(t, one);
    const first = get().of(plain);
    t.equal(first.split(":")[1], checksumKeyOf(one).id);
    clock.now = 6 * 60_000;
    replace(`${two}\nsomebody:${one}\n`);
    t.equal(get().of(plain).split(":")[1], checksumKeyOf(two).id);
    t.ok(get().fits(first, plain), "the former one is still known");
    t.equal(get().kept(first, plain), first);
    clock.now += 5 * 60_000;
    t.equal(get().kept(first, plain), get().of(plain));
    replace(two);
    t.notOk(get().knows(first));
  },
);

t.test("nothing leads from a key back to its token, and no token gives an open key", async (t) => {
  const bearerToken = randomBytes(24).toString("hex");
  const { id, secret } = checksumKeyOf(bearerToken);
  t.match(id, /^[0-9a-f]{8}$/);
  t.equal(secret.length, 32);
  t.notMatch(JSON.stringify([id, Buffer.from(secret).toString("latin1")]), bearerToken.slice(0, 8));
  const open = checksumKeys({ tokenFiles: [], logger });
  t.equal(open().of("x").split(":")[1], checksumKeyOf("").id);
});
