// SPDX-License-Identifier: Apache-2.0
// Tests client certificates with writes: the audit line has the subject, and a certificate alone does not authorize a write.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { createMemoryStore } from "../../../scripts/local/memory-store.ts";
import { bearerTokenFiles, buildAgentApp } from "../../../server/agent/app.ts";
import { createAuthority } from "../../http/authority.ts";
import { recordedLog } from "../../http/recorded-log.ts";

const start = async (t: Test, withTokens: boolean) => {
  const directory = t.testdir({});
  const authority = createAuthority(directory);
  const [server, client] = [authority.issue("agent"), authority.issue("kubectl")];
  const stranger = createAuthority(directory, "other").issue("stranger");
  const token = randomBytes(24).toString("base64url");
  const writeTokenFile = join(directory, "token");
  writeFileSync(writeTokenFile, `ci:${token}\n`);
  const log = recordedLog();
  const store = createMemoryStore();
  const app = buildAgentApp({
    store,
    logger: log.logger,
    registry: new Registry(),
    auth: {
      tokenFiles: bearerTokenFiles(withTokens ? { writeTokenFile } : {}),
      clientCertificates: true,
      loopback: true,
    },
    device: "hsm-a",
    node: "node-a",
    tls: { certFile: server.certFile, keyFile: server.keyFile, clientCaFile: authority.caFile },
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const put = async (certificate: { cert?: Buffer; key?: Buffer }) => {
    const outgoing = request({
      ...{ host: "127.0.0.1", port, ca: authority.ca, agent: false, ...certificate },
      ...{ method: "PUT", path: "/v1/secrets/secrets/a/db" },
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    });
    outgoing.end('{"data":{"user":"c2hvcA=="}}');
    const [answer] = await once(outgoing, "response");
    return { status: answer.statusCode, body: await json(answer) };
  };
  return { put, client, stranger, store, log };
};

t.test("token and certificate are both in the line", async (t) => {
  const { put, client, log } = await start(t, true);
  t.equal((await put({ cert: client.cert, key: client.key })).status, 201);
  const line = await log.waitFor(({ audit }) => audit === "put");
  t.match(line, { outcome: "created", who: { token: "ci", certificate: "CN=kubectl" } });
});

t.test("a token without a certificate of ours does not write", async (t) => {
  for (const which of ["none", "another authority's"]) {
    const { put, stranger, store, log } = await start(t, true);
    const shown = which === "none" ? {} : { cert: stranger.cert, key: stranger.key };
    t.match(await put(shown), { status: 401, body: { code: "CLIENT_CERTIFICATE_REQUIRED" } }, which);
    const line = await log.waitFor(({ audit }) => audit === "put");
    t.match(line, { outcome: "CLIENT_CERTIFICATE_REQUIRED" });
    t.same(line.who, {}, "nothing is claimed of a caller that is not known");
    t.match(await store.read("secrets/a/db"), { kind: "absent" });
  }
});

t.test("a certificate does not write without a token file", async (t) => {
  const { put, client, store, log } = await start(t, false);
  t.match(await put({ cert: client.cert, key: client.key }), { status: 403, body: { code: "FORBIDDEN" } });
  const line = await log.waitFor(({ audit }) => audit === "put");
  t.match(line, { outcome: "FORBIDDEN", who: { certificate: "CN=kubectl" } });
  t.match(await store.read("secrets/a/db"), { kind: "absent" });
});
