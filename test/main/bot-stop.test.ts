// SPDX-License-Identifier: Apache-2.0
// Tests SIGTERM while the bot waits for a homeserver, at any point: exit code 0, no error, and no secret at any log level.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { startBotProcess } from "../../scripts/local/bot-process.ts";

const USER = "@bot:example.org";
const ROOM = "!room:example.org";

const listen = async (t: Test, server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const address = server.address() as AddressInfo;
  return `http://127.0.0.1:${address.port}`;
};

/** Takes connections and says nothing. */
const silentServer = (t: Test): Promise<string> => {
  const sockets = new Set<Socket>();
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listen(
    t,
    createServer((socket) => void sockets.add(socket.on("error", () => {}))),
  );
};

/** A homeserver that never answers the requests with `hanging` in their path; `reached` resolves at the first. */
const homeserver = async (t: Test, hanging: string, token: string) => {
  const reached = Promise.withResolvers<void>();
  const answers: Record<string, unknown> = {
    login: { user_id: USER, device_id: "D", access_token: token },
    "account/whoami": { user_id: USER, device_id: "D" },
    "keys/upload": { one_time_key_counts: { signed_curve25519: 50 } },
    sync: {
      next_batch: "1",
      rooms: {
        join: {
          [ROOM]: {
            timeline: {
              events: [
                {
                  type: "m.room.message",
                  event_id: "$1",
                  sender: "@alice:example.org",
                  origin_server_ts: Date.now(),
                  content: { msgtype: "m.text", body: "stop" },
                },
              ],
            },
          },
        },
      },
    },
    joined_members: { joined: { [USER]: {} } },
  };
  const server = createHttpServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    request.resume();
    if (path.includes(hanging)) return reached.resolve();
    const found = Object.entries(answers).find(([name]) => path.endsWith(`/${name}`));
    const isState = path.includes("/state/");
    response.writeHead(isState ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(isState ? { errcode: "M_NOT_FOUND" } : (found?.[1] ?? {})));
  });
  t.teardown(() => server.closeAllConnections());
  return { url: await listen(t, server), reached: reached.promise };
};

const rows: [when: string, hanging: string][] = [
  ["at the log-in", "/login"],
  ["while it opens its encryption", "/keys/upload"],
  ["while it has its device signed", "/keys/query"],
  ["while it waits for the first sync", "/sync"],
  ["while it asks who is in a room", "/joined_members"],
  ["while a command waits for the API server, and its echo for the homeserver", "/send/"],
];
for (const [when, hanging] of rows) {
  t.test(when, async (t) => {
    const [password, token] = [randomBytes(12).toString("hex"), randomBytes(12).toString("hex")];
    const { url, reached } = await homeserver(t, hanging, token);
    const folder = t.testdir();
    const kubeconfig = join(folder, "kubeconfig");
    const server = await silentServer(t);
    const bearer = randomBytes(12).toString("hex");
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster: { server } }],
        users: [{ name: "u", user: { token: bearer } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    const bot = await startBotProcess({
      env: {
        LOG_LEVEL: "trace",
        KUBECONFIG: kubeconfig,
        MATRIX_HOMESERVER: url,
        MATRIX_USER: USER,
        MATRIX_PASSWORD: password,
        ALLOWED_USERS: "@alice:example.org",
        CRYPTO_STORE_PATH: join(folder, "store"),
      },
    });
    t.teardown(async () => void (await bot.end("SIGKILL")));
    await Promise.race([reached, bot.exited]);
    const begun = performance.now();
    t.equal(await bot.end("SIGTERM"), 0);
    t.comment(`${((performance.now() - begun) / 1000).toFixed(1)} s`);
    const printed = bot.lines.join("\n");
    t.match(printed, /"msg":"stopped"/);
    t.notMatch(printed, /"level":[56]0/);
    for (const secret of [password, token, bearer]) t.notOk(printed.includes(secret));
  });
}
