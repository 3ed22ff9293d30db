// SPDX-License-Identifier: Apache-2.0
// Tests that no error response holds a value of the request: Metacontroller puts the body of every answer but 200 into its log
// and into an event that all who see the parent may read. Each kind is provoked with values wherever a body can have them.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { checksumOfBase64 } from "../../hooks/checksum.ts";
import { type ErrorCode, errors } from "../../hooks/error-codes.ts";
import { answerJson, holding, readAndWrite, startAgent } from "../doubles/agent.ts";
import { SetWorld } from "../hooks/hsmdevice/set-world.ts";
import { editedBody } from "./edited-body.ts";
import { type RecordedBody, recordedBody } from "./recorded-request.ts";
import { startWebhook } from "./webhook-under-test.ts";

const plain = randomBytes(12).toString("hex");
const encoded = Buffer.from(plain).toString("base64");
const PATH = "secrets/demo/app";

/** A recorded body with the value in each Secret that it shows, plain too, as nobody should send it. */
const bodyOf = (name: string): RecordedBody => {
  const body = recordedBody(name);
  for (const group of [body.children, body.related]) {
    for (const secret of Object.values<RecordedBody>(group?.["Secret.v1"] ?? {})) {
      secret.data = { ...secret.data, password: encoded };
      secret.stringData = { password: plain };
      secret.metadata.annotations = { ...secret.metadata.annotations, note: `${plain} ${encoded}` };
    }
  }
  return body;
};

const hookOf = (name: string) => `/hooks/${name.split("-").slice(0, 2).join("/")}`;
const requests = [
  "hsmsecret-sync-owned-child-ssa",
  "hsmsecret-sync-owned-child-dynamic-apply",
  "hsmsecret-sync-foreign-secret-in-related",
  "hsmsecret-finalize-owned-child",
  "toggle-sync-disabled-at-zero",
].map((name) => ({ url: hookOf(name), body: bodyOf(name) }));

type Sent = { url: string; body: string; method?: string; headers?: Record<string, string>; end?: boolean };
type Setting = Parameters<typeof startWebhook>[2];
type Post = ReturnType<typeof startWebhook>["post"];
/** How one kind of answer comes about: the webhook's options, and what is sent to it. */
type Kind = { setting?: (t: Test) => Setting; sent: (post: Post) => Sent[] | Promise<Sent[]> };

const asIs =
  (change: Partial<Sent> = {}) =>
  () =>
    requests.map(({ url, body }) => ({ url, body: JSON.stringify(body), ...change }));

/** Each request with each of these places holding the value where it does not belong. */
const misplaced = () =>
  requests.flatMap(({ url, body }) =>
    [
      { ...body, parent: plain },
      { ...body, parent: { ...body.parent, metadata: encoded } },
      {
        ...body,
        parent: { ...body.parent, spec: { data: [plain], selector: encoded, secretType: [plain] } },
      },
      { ...body, children: { "Secret.v1": { "demo/app": { data: { password: encoded } } } } },
      { ...body, children: { "Secret.v1": { "demo/app": encoded } }, related: plain },
      { ...body, finalizing: encoded, children: [plain] },
    ].map((wrong) => ({ url, body: JSON.stringify(wrong) })),
  );

/** Each request, cut in its middle or right after its last value. */
const cut = () =>
  asIs()().flatMap((sent) => {
    const at = sent.body.lastIndexOf(encoded);
    return [sent.body.length >> 1, at < 0 ? 1 : at + encoded.length].map((end) => ({
      ...sent,
      body: sent.body.slice(0, end),
    }));
  });

/** How the webhook comes to answer with each code that it answers with. */
const kinds: Partial<Record<ErrorCode, Kind>> = {
  INVALID_REQUEST: { sent: misplaced },
  INVALID_JSON: { sent: cut },
  UNAUTHENTICATED: {
    setting: (t) => {
      const path = join(t.testdir({ token: randomBytes(16).toString("hex") }), "token");
      const tokenFiles = [{ variable: "HOOK_TOKEN_FILE", path, scopes: ["hook"] as const }];
      return { auth: { tokenFiles, clientCertificates: false, loopback: true } };
    },
    sent: asIs({ headers: { authorization: `Bearer ${plain}` } }),
  },
  CLIENT_CERTIFICATE_REQUIRED: {
    setting: () => ({ auth: { tokenFiles: [], clientCertificates: true, loopback: false } }),
    sent: asIs(),
  },
  FORBIDDEN: { sent: asIs({ headers: { host: `${plain}.example.org` } }) },
  NOT_FOUND: { sent: asIs({ url: `/hooks/hsmsecret/${plain}` }) },
  METHOD_NOT_ALLOWED: { sent: asIs({ method: "PUT" }) },
  REQUEST_TIMEOUT: { setting: () => ({ limits: { requestTimeoutMs: 50 } }), sent: asIs({ end: false }) },
  PAYLOAD_TOO_LARGE: { setting: () => ({ limits: { bodyBytes: 100 } }), sent: asIs() },
  UNSUPPORTED_MEDIA_TYPE: { sent: asIs({ headers: { "content-type": `text/${plain}` } }) },
  TOO_BUSY: { setting: () => ({ limits: { hooksInFlight: 0 } }), sent: asIs() },
  SYNC_AGAIN: {
    setting: (t) => ({
      writeTokenFile: join(t.testdir({ token: randomBytes(16).toString("hex") }), "token"),
      policy: { get: () => [{ namespace: "demo", prefix: PATH, write: true }], fault: () => undefined },
    }),
    sent: async (post) => {
      const edited = await editedBody(recordedBody("hsmsecret-sync-no-child"), post, { password: encoded });
      return [{ url: "/hooks/hsmsecret/sync", body: JSON.stringify(edited) }];
    },
  },
  STATUS_OUTDATED: {
    setting: () => ({ statuses: { age: async () => "outdated" } }),
    sent: () => {
      const request = new SetWorld().run(60).request();
      const { metadata } = request.parent;
      const noted = { ...metadata, annotations: { note: `${plain} ${encoded}` } };
      const body = JSON.stringify({ ...request, parent: { ...request.parent, metadata: noted } });
      return [{ url: "/hooks/hsmdevice/sync", body }];
    },
  },
  HEADERS_TOO_LARGE: { sent: asIs({ headers: { [plain]: plain.repeat(1000) } }) },
  INTERNAL: {
    setting: () => ({
      checksums: () => {
        throw new Error(`${plain} ${encoded}`);
      },
    }),
    sent: () => asIs()().filter(({ url }) => url === "/hooks/hsmsecret/sync"),
  },
};
/** What they say is of agents, and of no request. */
const probes = ["NOT_ALIVE", "NOT_READY"];

const agentAnswer = readAndWrite(
  holding(PATH, { password: "other" }),
  answerJson(200, {
    path: PATH,
    outcome: "changed",
    checksum: checksumOfBase64({ password: encoded }),
    keys: ["password"],
    version: 4,
    device: "a",
  }),
);

/** What comes back for `sent` on a connection of its own: head and body. */
const exchange = async (port: number, { url, body, method = "POST", headers = {}, end = true }: Sent) => {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const head = {
    host: "localhost",
    connection: "close",
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body) + (end ? 0 : 1),
    ...headers,
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  // What is refused before all of it is sent may be reset; the answer is there all the same.
  socket.on("error", () => {}).write(`${method} ${url} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  return text(socket);
};

for (const [code, { setting, sent }] of Object.entries(kinds)) {
  t.test(`${code} holds no value of the request`, async (t) => {
    const agent = await startAgent(t, agentAnswer);
    const { app, post } = startWebhook(t, [agent], setting?.(t));
    await app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.server.address() as AddressInfo;
    for (const one of await sent(post)) {
      const answer = await exchange(port, one);
      t.match(answer, new RegExp(`^HTTP/1.1 (?!200)[^]*"code":"${code}"`), one.url);
      for (const value of [plain, encoded]) t.notOk(answer.includes(value), one.url);
    }
  });
}

t.test("every code that the webhook answers with is tried here", async (t) => {
  const named = (folder: string, pattern: RegExp) =>
    readdirSync(new URL(`../../server/${folder}/`, import.meta.url))
      .map((file) => readFileSync(new URL(`../../server/${folder}/${file}`, import.meta.url), "utf8"))
      .flatMap((source) => [...source.matchAll(pattern)].map(([, code = ""]) => code));
  const codes = named("http", /"([A-Z_]+)"/g).filter((code) => Object.hasOwn(errors, code));
  codes.push(...named("webhook", /(?:sendError\([^"]*|ApiError\()"([A-Z_]+)"/g));
  t.same([...new Set(codes)].sort(), [...Object.keys(kinds), ...probes].sort());
});
