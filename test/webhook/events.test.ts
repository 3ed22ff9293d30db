// SPDX-License-Identifier: Apache-2.0
// Tests that events reach the API server once, with the service account's bearer token, and never delay a response.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import t, { type Test } from "tap";
import { createNotifier } from "../../scripts/local/notifier.ts";
import { createEventSink, noEvents } from "../../server/webhook/events.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

type Posted = { url: string; headers: IncomingMessage["headers"]; body: unknown };

/** An API server that takes events. `received` resolves with the next one. */
const startApi = async (t: Test, status = 201, tls?: { cert: Buffer; key: Buffer }) => {
  const posted: Posted[] = [];
  const notifier = createNotifier();
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await json(request);
    posted.push({ url: request.url ?? "", headers: request.headers, body });
    response.writeHead(status, { "content-type": "application/json" }).end("{}", notifier.notify);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const received = () => {
    const before = posted.length;
    return notifier.until("the next event", () => posted.length > before);
  };
  return { origin, posted, received };
};

const bearerToken = randomBytes(12).toString("hex");
const parent = {
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMSecret",
  metadata: { name: "db", namespace: "team-a", uid: "u-1", resourceVersion: "7" },
};
const event = { type: "Warning" as const, reason: "HSMUnavailable", message: "The token can't be read." };

const sinkOf = (t: Test, origin: string, options: { now?: () => number; caFile?: string } = {}) => {
  const log = recordedLog();
  const directory = mkdtempSync(join(tmpdir(), "keyswitch-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const tokenFile = join(directory, "token");
  writeFileSync(tokenFile, bearerToken);
  const { caFile, ...rest } = options;
  const sink = createEventSink({
    api: { origin, tokenFile, ...(caFile !== undefined && { caFile }) },
    logger: log.logger,
    ...rest,
  });
  t.teardown(() => sink.close());
  return { sink, log, tokenFile };
};

t.test("an event is a core/v1 Event about the object", async (t) => {
  const api = await startApi(t);
  const { sink } = sinkOf(t, api.origin, { now: () => Date.parse("2026-01-02T03:04:05.678Z") });
  const received = api.received();
  sink.post(parent, event);
  await received;
  t.match(api.posted, [
    {
      url: "/api/v1/namespaces/team-a/events",
      headers: { authorization: `Bearer ${bearerToken}`, "content-type": "application/json" },
      body: {
        apiVersion: "v1",
        kind: "Event",
        metadata: { generateName: "db.", namespace: "team-a" },
        involvedObject: { apiVersion: parent.apiVersion, kind: "HSMSecret", ...parent.metadata },
        type: "Warning",
        reason: "HSMUnavailable",
        message: event.message,
        source: { component: "keyswitch" },
        firstTimestamp: "2026-01-02T03:04:05Z",
        lastTimestamp: "2026-01-02T03:04:05Z",
        count: 1,
      },
    },
  ]);
});

t.test("the same event is posted again only after ten minutes; another one at once", async (t) => {
  const api = await startApi(t);
  let now = 0;
  const { sink } = sinkOf(t, api.origin, { now: () => now });
  const arrived = (message: string) =>
    api.posted.filter(({ body }) => (body as typeof event).message === message);
  /** Posts something new and waits for it and `count` of the event: a repeated one would have come by then. */
  const settled = async (message: string, count: number) => {
    sink.post(parent, { ...event, message });
    while (arrived(message).length === 0 || arrived(event.message).length < count) await api.received();
  };
  for (let i = 0; i < 5; i += 1) sink.post(parent, event);
  await settled("one", 1);
  t.equal(arrived(event.message).length, 1, "five posts in a row are one");
  now = 10 * 60 * 1000 - 1;
  sink.post(parent, event);
  await settled("two", 1);
  t.equal(arrived(event.message).length, 1, "nothing new before ten minutes");
  sink.post({ ...parent, metadata: { ...parent.metadata, uid: "u-2" } }, event);
  await settled("three", 2);
  t.equal(arrived(event.message).length, 2, "another object's is another event");
  now += 1;
  sink.post(parent, event);
  await settled("four", 3);
  t.equal(arrived(event.message).length, 3, "posted again after ten minutes");
});

t.test("a service account's new token is used, and TLS trusts its CA alone", async (t) => {
  const authority = createAuthority(t.testdir({}));
  const { cert, key } = authority.issue("api");
  const api = await startApi(t, 201, { cert, key });
  const distrusting = sinkOf(t, api.origin);
  distrusting.sink.post(parent, event);
  t.match(await distrusting.log.waitFor(({ msg }) => msg === "events can't be posted"), {
    fault: /not trusted/,
  });
  let now = 0;
  const { sink, tokenFile } = sinkOf(t, api.origin, { caFile: authority.caFile, now: () => now });
  const first = api.received();
  sink.post(parent, event);
  await first;
  writeFileSync(tokenFile, "the-next-token");
  now = 1000;
  const second = api.received();
  sink.post(parent, { ...event, message: "Another." });
  await second;
  t.same(
    api.posted.map(({ headers }) => headers.authorization),
    [`Bearer ${bearerToken}`, "Bearer the-next-token"],
  );
});

t.test("failures are logged once and thrown never", async (t) => {
  const api = await startApi(t, 403);
  const { sink, log } = sinkOf(t, api.origin);
  for (const message of ["one", "two"]) {
    const received = api.received();
    sink.post(parent, { ...event, message });
    await received;
  }
  t.match(await log.waitFor(({ msg }) => msg === "events can't be posted"), {
    level: "warn",
    fault: "HTTP 403",
  });
  t.equal(log.lines.length, 1);
  t.notOk(log.text().includes(bearerToken));
  const gone = sinkOf(t, "http://127.0.0.1:1");
  gone.sink.post(parent, event);
  t.match(await gone.log.waitFor(() => true), { fault: "refused the connection" });
});

t.test("a long message is cut to what the API server takes", async (t) => {
  const api = await startApi(t);
  const { sink } = sinkOf(t, api.origin);
  const received = api.received();
  sink.post(parent, { ...event, message: "x".repeat(5000) });
  await received;
  t.match(api.posted, [{ body: { message: "x".repeat(1024) } }]);
});

t.test("outside a cluster nothing happens", async () => {
  noEvents.post(parent, event);
  await noEvents.close();
});
