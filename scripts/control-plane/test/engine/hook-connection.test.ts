// SPDX-License-Identifier: Apache-2.0
// Tests the engine's connection to a webhook: HTTPS under a Service's name, trusted CAs, and client credentials.
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import { type JsonObject, objectOrEmpty } from "../../api/json.ts";
import { createDiscovery } from "../../engine/discovery.ts";
import { connectionReader } from "../../engine/hook-connection.ts";
import { makeAuthority } from "./certificates.ts";
import { eventsOf, hsmSecret, hsmSecretController, hsmSecrets, namespace, startCluster } from "./cluster.ts";
import { type Answer, startHookServer } from "./hook-server.ts";

const HOST = "keyswitch-webhook.keyswitch.svc";
const answer: Answer = () => ({ body: { status: {}, children: [] } });
const secret = (name: string, data: { [key: string]: string }): JsonObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "keyswitch" },
  data: Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  ),
});

type Scene = {
  webhook?: JsonObject;
  objects?: JsonObject[];
  certificateFor?: string;
  requestCert?: boolean;
};

const scene = async (t: Test, make: (ca: ReturnType<typeof makeAuthority>) => Scene) => {
  const cluster = await startCluster(t);
  const ca = makeAuthority(cluster.dir);
  const { webhook = {}, objects = [], certificateFor = HOST, requestCert = false } = make(ca);
  const tls = { ...ca.issue({ dnsName: certificateFor }), ca: ca.cert, requestCert };
  const hook = await startHookServer(answer, { tls });
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), namespace("keyswitch"), hsmSecrets, ...objects);
  const controller = hsmSecretController(hook);
  const sync = { version: "v2", webhook: { url: `https://${HOST}:8443/hooks/sync`, ...webhook } };
  await cluster.engine({
    resolveService: (host, port) =>
      host === HOST && port === 8443 ? { host: "127.0.0.1", port: hook.port } : undefined,
  });
  await cluster.apply({ ...controller, spec: { ...objectOrEmpty(controller.spec), hooks: { sync } } });
  await cluster.apply(hsmSecret("app"));
  return { cluster, hook };
};

const inKeyswitch = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  namespace: "keyswitch",
  ...more,
});
const trusts: { what: string; make: (ca: { cert: string }) => Scene }[] = [
  { what: "caBundle.inline", make: ({ cert }) => ({ webhook: { caBundle: { inline: cert } } }) },
  {
    what: "caBundle.secretRef",
    make: ({ cert }) => ({
      webhook: { caBundle: { secretRef: inKeyswitch("ca") } },
      objects: [secret("ca", { "ca.crt": cert })],
    }),
  },
  {
    what: "caBundle.configMapRef with another key",
    make: ({ cert }) => ({
      webhook: { caBundle: { configMapRef: inKeyswitch("ca", { key: "bundle.pem" }) } },
      objects: [
        { apiVersion: "v1", kind: "ConfigMap", metadata: inKeyswitch("ca"), data: { "bundle.pem": cert } },
      ],
    }),
  },
];
for (const { what, make } of trusts) {
  t.test(`a webhook at a service's name is trusted through ${what}`, async (t) => {
    const { cluster, hook } = await scene(t, make);
    t.equal((await cluster.synced(() => true)).message, undefined);
    const { headers } = await hook.seen(({ path }) => path === "/hooks/sync");
    t.equal(headers.host, `${HOST}:8443`);
    t.equal(headers.authorization, undefined);
  });
}

const refusals: { what: string; make: (ca: { cert: string }) => Scene; message: RegExp }[] = [
  {
    what: "whose CA is unknown",
    make: () => ({}),
    message:
      /http error: Post "https:.*": tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
  },
  {
    what: "whose certificate is for another name",
    make: ({ cert }) => ({ webhook: { caBundle: { inline: cert } }, certificateFor: "localhost" }),
    message: /http error: Post "https:.*": ERR_TLS_CERT_ALTNAME_INVALID/,
  },
];
for (const { what, make, message } of refusals) {
  t.test(`a webhook ${what} gets no request`, async (t) => {
    const { cluster, hook } = await scene(t, make);
    t.match((await cluster.synced(({ outcome }) => outcome === "failed")).message, message);
    t.equal(hook.requests.length, 0);
  });
}

const choices: { what: string; url: string; host: string; own?: string; trusts: string | undefined }[] = [
  {
    what: "host and port are the URL's",
    url: `https://${HOST}:8443/x`,
    host: `${HOST}:8443`,
    trusts: "shared",
  },
  { what: "the port is another", url: `https://${HOST}:8443/x`, host: HOST, trusts: undefined },
  { what: "both leave the usual port out", url: `https://${HOST}/x`, host: HOST, trusts: "shared" },
  {
    what: "it names the usual port",
    url: `https://${HOST}/x`,
    host: `${HOST.toUpperCase()}:443`,
    trusts: "shared",
  },
  { what: "the webhook has its own", url: `https://${HOST}/x`, host: HOST, own: "own", trusts: "own" },
];
for (const { what, url, host, own, trusts: wanted } of choices) {
  t.test(`an entry of endpointConfigs: ${what}`, async (t) => {
    const { client, dir } = await startCluster(t);
    const { cert } = makeAuthority(dir);
    const named = (name: string) => `${name}\n${cert}`;
    const webhook = own === undefined ? {} : { caBundle: { inline: named(own) } };
    const read = connectionReader(client, createDiscovery(client), {
      parentResource: { apiVersion: "v1", resource: "x" },
      hooks: { sync: { version: "v2", webhook } },
      endpointConfigs: [{ host, caBundle: { inline: named("shared") } }],
    });
    const connection = await read(webhook, new URL(url));
    t.strictSame(connection, { ok: true, value: wanted === undefined ? {} : { ca: named(wanted) } });
  });
}

const noCertificate = "caBundle: no valid PEM-encoded certificates found in the provided CA bundle";
const broken: { what: string; webhook: JsonObject; message: string }[] = [
  {
    what: "a caBundle of two sources",
    webhook: { caBundle: { inline: "x", secretRef: inKeyswitch("ca") } },
    message: "caBundle: exactly one of inline, secretRef, or configMapRef must be specified",
  },
  { what: "a caBundle of no certificate", webhook: { caBundle: { inline: "x" } }, message: noCertificate },
  {
    what: "a Secret that is not there",
    webhook: { authorization: { secretRef: inKeyswitch("absent", { key: "token" }) } },
    message: "can't resolve authorization: can't get secrets keyswitch/absent: secrets \"absent\" not found",
  },
  {
    what: "a key that is not there",
    webhook: { authorization: { secretRef: inKeyswitch("odd", { key: "absent" }) } },
    message: `can't resolve authorization: key "absent" not found in secrets keyswitch/odd`,
  },
  {
    what: "a token that no header can have",
    webhook: { authorization: { secretRef: inKeyswitch("odd", { key: "token" }) } },
    message: "the credentials can't be sent: they hold a character that no header can have",
  },
  {
    what: "a client key that is none",
    webhook: { clientTLS: { secretRef: inKeyswitch("odd") } },
    message: "can't parse clientTLS certificate",
  },
];
for (const { what, webhook, message } of broken) {
  t.test(`with ${what} the controller is not started, and an event says why`, async (t) => {
    const cluster = await startCluster(t);
    const odd = secret("odd", { token: "a\u0000b", "tls.key": "x", "tls.crt": "x" });
    await cluster.apply(namespace("demo"), namespace("keyswitch"), hsmSecrets, odd);
    const engine = await cluster.engine();
    const hook = await startHookServer(answer);
    t.teardown(hook.close);
    const sync = { version: "v2", webhook: { url: hook.url("/s"), ...webhook } };
    await cluster.apply(hsmSecretController(hook, { hooks: { sync } }));
    await cluster.apply(hsmSecret("app"));
    await engine.idle();
    const [event] = await eventsOf(cluster, "hsmsecret", "CreateError");
    t.equal(
      event?.message,
      `Cannot create new controller: can't resolve endpoint config for sync hook: ${message}`,
    );
    t.equal(hook.requests.length, 0);
  });
}

t.test("a bearer token comes from its Secret, without the line break at its end", async (t) => {
  const bearerToken = randomBytes(16).toString("hex");
  const { hook } = await scene(t, ({ cert }) => ({
    webhook: {
      caBundle: { inline: cert },
      authorization: { type: "Bearer", secretRef: inKeyswitch("hook-token", { key: "token" }) },
    },
    objects: [secret("hook-token", { token: `${bearerToken}\n` })],
  }));
  t.equal((await hook.seen(() => true)).headers.authorization, `Bearer ${bearerToken}`);
});

t.test("a connection is kept for the next request", async (t) => {
  const { cluster, hook } = await scene(t, ({ cert }) => ({ webhook: { caBundle: { inline: cert } } }));
  await cluster.synced(() => true);
  for (const round of [1, 2, 3]) {
    const from = cluster.syncs.length;
    await cluster.kubectl(["annotate", "--overwrite", "hsmsecret", "app", "-n", "demo", `round=${round}`]);
    await cluster.synced(() => true, from);
  }
  t.ok(hook.requests.length >= 4);
  t.equal(hook.connections(), 1);
});

t.test("basicAuth comes from its Secret", async (t) => {
  const password = randomBytes(8).toString("hex");
  const { hook } = await scene(t, ({ cert }) => ({
    webhook: { caBundle: { inline: cert }, basicAuth: { secretRef: inKeyswitch("login") } },
    objects: [secret("login", { username: "engine", password })],
  }));
  const wanted = Buffer.from(`engine:${password}`).toString("base64");
  t.equal((await hook.seen(() => true)).headers.authorization, `Basic ${wanted}`);
});

t.test("a webhook that asks for a client certificate gets the one of clientTLS", async (t) => {
  const { cluster } = await scene(t, (ca) => {
    const { key, cert } = ca.issue({ dnsName: "metacontroller" });
    return {
      webhook: { caBundle: { inline: ca.cert }, clientTLS: { secretRef: inKeyswitch("client") } },
      objects: [secret("client", { "tls.key": key, "tls.crt": cert })],
      requestCert: true,
    };
  });
  t.equal((await cluster.synced(() => true)).outcome, "synced");
});

t.test("a webhook that asks for a client certificate gets no request without one", async (t) => {
  const { cluster, hook } = await scene(t, ({ cert }) => ({
    webhook: { caBundle: { inline: cert } },
    requestCert: true,
  }));
  t.match((await cluster.synced(() => true)).message, /http error/);
  t.equal(hook.requests.length, 0);
});

t.test("with etag enabled, a 304 stands for the answer that came with the tag", async (t) => {
  const { cluster, hook } = await scene(t, ({ cert }) => ({
    webhook: {
      caBundle: { inline: cert },
      etag: { enabled: true, cacheTimeoutSeconds: 60, cacheCleanupSeconds: 60 },
    },
  }));
  await cluster.synced(() => true);
  hook.answer(() => ({ headers: { etag: '"one"' }, body: { status: { told: "once" }, children: [] } }));
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "first=1"]);
  const tagged = await hook.seen(({ headers }) => headers["if-none-match"] === '"one"');
  t.ok(tagged, "the status it wrote brought the next request on");
  hook.answer(({ headers }) =>
    headers["if-none-match"] === '"one"'
      ? { status: 304 }
      : { body: { status: { told: "anew" }, children: [] } },
  );
  const from = cluster.syncs.length;
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "second=1"]);
  t.equal((await cluster.synced(() => true, from)).outcome, "synced");
  t.match((await cluster.read(["hsmsecret", "app", "-n", "demo"])).status, { told: "once" });
});

t.test("requests carry the headers of Go's client and no others", async (t) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(answer);
  t.teardown(hook.close);
  await cluster.apply(
    namespace("demo"),
    hsmSecrets,
    hsmSecretController(hook, { hooks: syncOnly(hook.url("/s")) }),
  );
  await cluster.engine();
  await cluster.apply(hsmSecret("app"));
  const { headers } = await hook.seen(() => true);
  t.strictSame(Object.keys(headers).sort(), [
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "user-agent",
  ]);
});

const syncOnly = (url: string): JsonObject => ({ sync: { version: "v2", webhook: { url } } });
