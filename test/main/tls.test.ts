// SPDX-License-Identifier: Apache-2.0
// Tests a real webhook as in a cluster: TLS on both sides, a client certificate and a bearer token for hooks, none for probes.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Agent, request } from "undici";
import { holding, startAgent } from "../doubles/agent.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedBody } from "../webhook/recorded-request.ts";
import { startProcess } from "./process-under-test.ts";

t.test("hooks need certificate and token, probes need neither, and agents are asked over TLS", async (t) => {
  const bearerToken = randomBytes(20).toString("hex");
  const root = t.testdir({ hook: bearerToken });
  const authority = createAuthority(root);
  const [server, client, agentCertificate] = [
    authority.issue("webhook"),
    authority.issue("metacontroller"),
    authority.issue("agent"),
  ];
  const body = recordedBody("hsmsecret-sync-no-child");
  const { namespace, name } = body.parent.metadata;
  body.parent.spec.hsmPath = `secrets/${namespace}/${name}`;
  const values = holding(body.parent.spec.hsmPath, { password: "value" });
  const agent = await startAgent(t, values, { cert: agentCertificate.cert, key: agentCertificate.key });
  const webhook = startProcess(t, "webhook", {
    LISTEN_PORT: "0",
    TLS_CERT_FILE: server.certFile,
    TLS_KEY_FILE: server.keyFile,
    TLS_CLIENT_CA_FILE: authority.caFile,
    HOOK_TOKEN_FILE: join(root, "hook"),
    AGENTS: `hsm-a=${agent.origin}`,
    AGENT_CA_FILE: authority.caFile,
  });
  const address = await webhook.address();
  t.match(address, /^https:/);

  const ask = async (path: string, credentials: { certificate?: boolean; token?: boolean }) => {
    const { cert, key } = client;
    const dispatcher = new Agent({
      connect: { ca: authority.ca, ...(credentials.certificate && { cert, key }) },
    });
    const answer = await request(`${address}${path}`, {
      dispatcher,
      method: path.startsWith("/hooks") ? "POST" : "GET",
      headers: {
        "content-type": "application/json",
        ...(credentials.token && { authorization: `Bearer ${bearerToken}` }),
      },
      ...(path.startsWith("/hooks") && { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    await dispatcher.close();
    return { status: answer.statusCode, text };
  };
  const sync = "/hooks/hsmsecret/sync";
  t.match(await ask(sync, { certificate: true, token: true }), {
    status: 200,
    text: '"password":"dmFsdWU="',
  });
  t.match(await ask(sync, { certificate: true }), { status: 401, text: '"code":"UNAUTHENTICATED"' });
  t.match(await ask(sync, { token: true }), { status: 401, text: '"code":"CLIENT_CERTIFICATE_REQUIRED"' });
  t.match(await ask("/metrics", { token: true }), { status: 401 });
  t.match(await ask("/healthz", {}), { status: 200 });
  t.match(await ask("/readyz", {}), { status: 200, text: '"name":"agent hsm-a","ok":true' });

  const maps = `/proc/${webhook.child.pid}/maps`;
  if (existsSync(maps)) t.notMatch(readFileSync(maps, "utf8"), /pkcs11/, "no library of an HSM is loaded");
});
