// SPDX-License-Identifier: Apache-2.0
// Tests TLS on real connections: client certificates, open probes, resumed sessions, and certificates that are replaced.
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { type RequestOptions, request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { connect } from "node:tls";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { buildServer } from "../../server/http/server.ts";
import { createAuthority } from "./authority.ts";
import { recordedLog } from "./recorded-log.ts";

const authority = createAuthority(t.testdir({}), "ours");
const stranger = createAuthority(t.testdirName, "theirs");
const root = t.testdirName;
const server = authority.issue("server");
const next = authority.issue("next-server");
const client = authority.issue("client");
const strange = stranger.issue("strange-client");

const listen = async (t: Test, clientCaFile?: string) => {
  const directory = t.testdir({});
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const install = (from: typeof server) => {
    copyFileSync(from.keyFile, keyFile);
    copyFileSync(from.certFile, certFile);
  };
  install(server);
  const log = recordedLog();
  const app = buildServer({
    logger: log.logger,
    registry: new Registry(),
    auth: {
      tokenFiles: [],
      clientCertificates: clientCaFile !== undefined,
      loopback: clientCaFile === undefined,
    },
    ready: () => [],
    tls: { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) },
  });
  app.get("/read", { config: { scope: "read" } }, async () => ({ ok: true }));
  app.get("/write", { config: { scope: "write" } }, async () => ({ ok: true }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const get = async (path: string, options: RequestOptions & { session?: Buffer } = {}) => {
    const outgoing = request({ host: "127.0.0.1", port, path, ca: authority.ca, agent: false, ...options });
    outgoing.end();
    const [answer] = await once(outgoing, "response");
    return {
      status: answer.statusCode,
      body: await json(answer),
      resumed: answer.socket.isSessionReused(),
      subject: answer.socket.getPeerCertificate().subject?.CN,
    };
  };
  return { port, get, install, log };
};

t.test("who needs a certificate", async (t) => {
  const { get } = await listen(t, authority.caFile);
  const rows: [sentence: string, path: string, options: RequestOptions, status: number, code?: string][] = [
    ["ours may read", "/read", client, 200],
    ["without a token file ours may not write", "/write", client, 403, "FORBIDDEN"],
    ["none may not read", "/read", {}, 401, "CLIENT_CERTIFICATE_REQUIRED"],
    ["a stranger's may not read", "/read", strange, 401, "CLIENT_CERTIFICATE_REQUIRED"],
    ["none may not see metrics", "/metrics", {}, 401, "CLIENT_CERTIFICATE_REQUIRED"],
    ["a probe needs none", "/healthz", {}, 200],
    ["nor does readiness", "/readyz", {}, 200],
  ];
  for (const [sentence, path, { cert, key }, status, code] of rows) {
    t.test(sentence, async (t) => {
      const answer = await get(path, cert && key ? { cert, key } : {});
      t.equal(answer.status, status);
      if (code !== undefined) t.match(answer.body, { code });
    });
  }
});

t.test("a client CA that is emptied, cut or broken is not taken", async (t) => {
  const caFile = join(root, "changing-ca.pem");
  writeFileSync(caFile, authority.ca);
  const { get, log } = await listen(t, caFile);
  const text = authority.ca.toString();
  const cut = text.slice(0, text.length / 2);
  for (const content of ["", cut, text + cut, text.replace(/[A-Za-z]{20}/, "A".repeat(20))]) {
    const before = log.lines.length;
    writeFileSync(caFile, content);
    await log.waitFor((line) => log.lines.indexOf(line) >= before && line.level === "error");
    t.match(
      log.lines.at(-1)?.msg,
      /holds? .*certificate.*; the former content stays in use$|do not fit together/,
    );
    t.equal((await get("/read", client)).status, 200);
  }
});

t.test("a kept connection does not outlive the client CA that let it in", async (t) => {
  const caFile = join(root, "changing-ca.pem");
  writeFileSync(caFile, authority.ca);
  const { port, log } = await listen(t, caFile);
  const socket = connect({ host: "127.0.0.1", port, ca: authority.ca, cert: client.cert, key: client.key });
  const ended = once(socket, "close");
  socket.write("GET /read HTTP/1.1\r\nHost: a\r\n\r\n");
  const [answer] = await once(socket, "data");
  t.match(String(answer), /^HTTP\/1.1 200 /);
  writeFileSync(caFile, stranger.ca);
  await log.waitFor(({ msg }) => msg === "certificate read again");
  await ended;
});

t.test("a session that began without a certificate does not count when it is resumed", async (t) => {
  const { port, get } = await listen(t, authority.caFile);
  const first = connect({ host: "127.0.0.1", port, ca: authority.ca });
  const [session] = (await once(first, "session")) as [Buffer];
  first.destroy();
  const answer = await get("/read", { session });
  t.ok(answer.resumed, "the session was resumed");
  t.equal(answer.status, 401);
});

t.test(
  "a replaced certificate is served without a restart, and a pair that does not fit is not",
  async (t) => {
    const { get, install, log } = await listen(t);
    t.equal((await get("/read")).subject, "server");
    install(next);
    await log.waitFor(({ msg }) => msg === "certificate read again");
    t.equal((await get("/read")).subject, "next-server");
    install({ ...server, keyFile: client.keyFile });
    await log.waitFor(({ msg }) => /do not fit together; the former content stays in use$/.test(String(msg)));
    t.equal((await get("/read")).subject, "next-server");
  },
);
