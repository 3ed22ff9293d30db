// SPDX-License-Identifier: Apache-2.0
// Runs a bot process that echoes what it decrypts: the encryption tests kill it, restart it and send it messages.
import { Writable } from "node:stream";
import { pino } from "pino";
import { openBotStore } from "../../../server/bot/store.ts";
import { decodeRecoveryKey } from "../../../server/matrix/crypto/cross-signing/recovery-key.ts";
import { openEncryption } from "../../../server/matrix/crypto/encryption.ts";
import { loadCryptoEngine } from "../../../server/matrix/crypto/engine.ts";
import { requestsOf } from "../../../server/matrix/crypto/homeserver-requests.ts";
import { createHttpExchange } from "../../../server/matrix/http-exchange.ts";
import { createSdkRequest } from "../../../server/matrix/sdk-request.ts";
import { type BotReport, type BotSettings, encryptionOptions } from "./crypto-bot-settings.ts";

const settings: BotSettings = JSON.parse(process.argv[2] ?? "{}");
const report = (news: BotReport): void => void process.send?.(news);
const megabytes = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20);

const memory: Record<string, number> = { node: megabytes() };
const engine = await loadCryptoEngine("wasm");
if (!engine.ok) throw new Error(engine.fault);
memory.engine = megabytes();
const {
  AutojoinRoomsMixin: _,
  LogLevel,
  LogService,
  MatrixClient,
  MemoryStorageProvider,
  setRequestFn,
} = await import("matrix-bot-sdk");
LogService.setLevel(LogLevel.WARN);
LogService.setLogger({
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error: (module: string, ...rest: unknown[]) =>
    report({ kind: "sdk-error", text: `${module} ${rest.join(" ")}` }),
});
setRequestFn(createSdkRequest(createHttpExchange({})));
memory.sdk = megabytes();

const logger = pino(
  { level: "info" },
  new Writable({
    write(line, _encoding, done) {
      report({ kind: "log", text: String(line) });
      done();
    },
  }),
);
const store = openBotStore(settings.folder);
const encryption = await openEncryption({
  ...encryptionOptions(settings, engine, store, logger),
  onIdentityChange: (change) => {
    report({ kind: "change", change });
    if (settings.acknowledges !== false) encryption.acknowledge(change);
  },
});

/** The part of the real client that encryption depends on. */
class TestClient extends MatrixClient {
  override async doRequest(
    ...args: Parameters<InstanceType<typeof MatrixClient>["doRequest"]>
  ): Promise<unknown> {
    if (args[0] !== "GET") await encryption.flush();
    return super.doRequest(...args);
  }

  async syncOnce(syncToken: string | undefined): Promise<string> {
    const response = await this.doSync(syncToken ?? "");
    await this.processSync(response, async (event, ...payload) => {
      for (const listener of this.listeners(event)) await listener(...payload);
    });
    const next = String(response.next_batch);
    await encryption.flush(() => store.put("sync", "token", next));
    return next;
  }
}

const client = new TestClient(
  settings.url,
  settings.accessToken,
  new MemoryStorageProvider(),
  encryption.storage,
);
const rooms = await client.getJoinedRooms();
await client.crypto.prepare(rooms);
memory.machine = megabytes();
const recoveryKey = settings.recoveryKey === undefined ? undefined : decodeRecoveryKey(settings.recoveryKey);
const outcome = await encryption.start({ request: requestsOf(client), ...(recoveryKey && { recoveryKey }) });
memory.started = megabytes();

client.on("room.invite", async (room: string) => {
  await client.joinRoom(room);
});
client.on("room.failed_decryption", (_room: string, event: { event_id: string }) =>
  report({ kind: "undecryptable", event: event.event_id }),
);
client.on(
  "room.message",
  async (
    room: string,
    event: { event_id: string; sender: string; content: { body: string; msgtype: string } },
  ) => {
    if (event.sender === settings.userId || event.content.msgtype !== "m.text") return;
    const verdict = encryption.verdict(event.event_id, event.sender);
    const origin = encryption.originOf(event.event_id);
    report({ kind: "message", text: event.content.body, verdict, ...(origin && { origin }) });
    // Many at once wear a room's key out between the steps of sending one.
    const more = event.content.body.startsWith("many") ? 120 : 0;
    const sends = Array.from({ length: more }, (_, number) => client.sendNotice(room, `${number}`));
    await Promise.all([...sends, client.sendNotice(room, `echo ${event.content.body}`)]);
    report({ kind: "answered", text: event.content.body, memory: megabytes() });
  },
);

report({ kind: "ready", fingerprint: encryption.fingerprint() ?? "", outcome, memory });
const bytes = store.get("sync", "token");
let syncToken = bytes && Buffer.from(bytes).toString();
for (;;) syncToken = await client.syncOnce(syncToken);
