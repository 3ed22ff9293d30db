// SPDX-License-Identifier: Apache-2.0
// Tests how the webhook asks discovery: all nodes at once, within one deadline, and only a server that its CA vouches for.
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { DiscoveryBody } from "../../server/discovery-api/schema.ts";
import { createDiscoveryClient } from "../../server/webhook/discovery-client.ts";
import { createAuthority, type Issued } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

const folder = t.testdir({ token: "t".repeat(64) });
const authority = createAuthority(folder);
const discovery = authority.issue("discovery");
const stranger = createAuthority(folder, "other").issue("stranger");

const bodyOf = (node: string): DiscoveryBody => ({ node, plugin: true, devices: [], paths: [] });

/** For answers that are to come however busy the machine is, beside those that never do. */
const LIMIT_MS = 2500;

type Answer = { status?: number; body?: unknown; hangs?: true; shows?: Issued };

/** Servers on 127.0.0.1 and so on, all on one port; gives the port and the tokens that they were sent. */
const serve = async (t: Test, answers: readonly Answer[]) => {
  const tokens: (string | undefined)[] = [];
  let port = 0;
  for (const [index, { status = 200, body, hangs, shows = discovery }] of answers.entries()) {
    const server: Server = createServer({ cert: shows.cert, key: shows.key }, (request, response) => {
      tokens.push(request.headers.authorization);
      if (hangs) return;
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(port, `127.0.0.${index + 1}`, resolve));
    port = (server.address() as AddressInfo).port;
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  return { port, tokens };
};

const clientOf = (t: Test, port: number, budgetMs = LIMIT_MS) => {
  const { logger, lines } = recordedLog();
  const access = { tokenFile: join(folder, "token"), caFile: authority.caFile, serverName: "localhost" };
  const client = createDiscoveryClient({ ...access, port, logger, budgetMs });
  t.teardown(() => client.close());
  return { client, lines };
};

const nodes = (...names: string[]) => names.map((node, index) => ({ node, address: `127.0.0.${index + 1}` }));

t.test("each node that answers is in the reading, whatever the others do", async (t) => {
  const { port } = await serve(t, [
    { body: bodyOf("a") },
    { hangs: true },
    { status: 503, body: { code: "NOT_READY" } },
    { body: { node: "d" } },
    { body: bodyOf("e") },
  ]);
  const { client } = clientOf(t, port);
  const startedAt = performance.now();
  const reading = await client.ask(nodes("a", "b", "c", "d", "e", "nobody"), "r-1");
  t.strictSame(
    [...reading],
    [
      ["a", bodyOf("a")],
      ["e", bodyOf("e")],
    ],
  );
  t.ok(performance.now() - startedAt < 2 * LIMIT_MS, "not one after the other");
});

t.test("the token goes to a server that the CA vouches for, and to no other", async (t) => {
  const { port, tokens } = await serve(t, [{ body: bodyOf("a") }, { body: bodyOf("b"), shows: stranger }]);
  const { client } = clientOf(t, port);
  t.strictSame([...(await client.ask(nodes("a", "b"), "r-1")).keys()], ["a"]);
  t.strictSame(tokens, [`Bearer ${"t".repeat(64)}`]);
});

t.test("a server whose certificate has another name is not believed", async (t) => {
  const { port, tokens } = await serve(t, [{ body: bodyOf("a") }]);
  const { logger } = recordedLog();
  writeFileSync(join(folder, "one"), "t".repeat(64));
  const access = { tokenFile: join(folder, "one"), caFile: authority.caFile, serverName: "elsewhere.svc" };
  const client = createDiscoveryClient({ ...access, port, logger });
  t.teardown(() => client.close());
  t.equal((await client.ask(nodes("a"), "r-1")).size, 0);
  t.strictSame(tokens, []);
});
