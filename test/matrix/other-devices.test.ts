// SPDX-License-Identifier: Apache-2.0
// Tests the removal of the bot's old devices, and the log lines about those that stay: ids and names are the homeserver's.
import { randomBytes } from "node:crypto";
import t from "tap";
import type { AccountCheck } from "../../server/bot/chat.ts";
import { QUIET_MS, tidyOtherDevices } from "../../server/matrix/other-devices.ts";
import { recordedLog } from "../http/recorded-log.ts";

const PASSWORD = randomBytes(12).toString("hex");
const NOW = Date.UTC(2026, 0, 2);
const OURS = { device_id: "OURS", display_name: "Keyswitch", last_seen_ts: NOW };
const former = (id: string, ago: number | null) => ({
  device_id: id,
  display_name: "Keyswitch",
  last_seen_ts: ago === null ? null : NOW - ago,
});

/** Looks at the devices of a homeserver that answers a removal with `removal`. */
const tidy = async (
  status: number,
  body: unknown,
  { removal = 200, password }: { removal?: number; password?: string } = {},
) => {
  const log = recordedLog();
  const checks: AccountCheck[] = [];
  const sent: unknown[] = [];
  const sleeps: number[] = [];
  await tidyOtherDevices({
    async request(method, path, json) {
      if (method === "GET") return { status, body };
      sent.push(path, json);
      if (removal !== 401 || sent.length > 2) return { status: removal, body: {} };
      return { status: 401, body: { session: "s", flows: [{ stages: ["m.login.password"] }] } };
    },
    homeserver: "https://matrix.example.org",
    userId: "@bot:example.org",
    deviceId: "OURS",
    logger: log.logger,
    password,
    onAccountCheck: (check) => void checks.push(check),
    sleep: async (ms) => void sleeps.push(ms),
    signal: new AbortController().signal,
  });
  return { lines: log.lines, text: log.text(), checks, sent, sleeps };
};

t.test("the bot's own is left out, and each other one has its command", async (t) => {
  const { lines } = await tidy(200, {
    devices: [
      { device_id: "OURS", display_name: "Keyswitch" },
      {
        device_id: "OLD",
        display_name: "Key\nswitch",
        last_seen_ts: Date.UTC(2026, 0, 2),
        last_seen_ip: null,
      },
      { device_id: "it's $(id) `id`", display_name: null, last_seen_ts: null },
    ],
  });
  const url = "https://matrix.example.org/_synapse/admin/v2/users/%40bot%3Aexample.org/devices";
  const remove = `curl -X DELETE -H "Authorization: Bearer $ADMIN_TOKEN"`;
  t.match(lines, [
    {
      device: "OLD",
      name: "Key switch",
      seen: "2026-01-02T00:00:00.000Z",
      command: `${remove} '${url}/OLD'`,
    },
    { device: "it's $(id) `id`", command: `${remove} '${url}/it%27s%20%24(id)%20%60id%60'` },
  ]);
  t.equal(lines.length, 2);
});

t.test("of very many the rest are counted", async (t) => {
  const { lines } = await tidy(200, {
    devices: Array.from({ length: 25 }, (_, index) => ({ device_id: `OLD${index}` })),
  });
  t.equal(lines.length, 21);
  t.match(lines.at(-1), { more: 5 });
});

t.test("a homeserver that tells none is left alone", async (t) => {
  t.same((await tidy(404, {})).lines, []);
  t.match(await tidy(200, { devices: "many" }), { lines: [], checks: [] });
});

t.test("with a password the bot's own old ones go, and nobody else's", async (t) => {
  const devices = [
    OURS,
    former("OLD", QUIET_MS),
    former("NEVER", null),
    former("IN-USE", QUIET_MS - 1),
    { device_id: "PERSON", display_name: "Element", last_seen_ts: 1 },
  ];
  const { sent, lines, checks, text, sleeps } = await tidy(
    200,
    { devices },
    { removal: 200, password: PASSWORD },
  );
  t.same(sent.slice(0, 2), ["delete_devices", { devices: ["OLD", "NEVER"] }]);
  t.match(lines.slice(0, 4), [
    { level: "info", device: "OLD", msg: /was removed/ },
    { level: "info", device: "NEVER" },
    { level: "warn", device: "IN-USE" },
    { level: "warn", device: "PERSON" },
  ]);
  t.match(checks[0], { problem: "old-devices", count: 1, message: /IN-USE/ });
  t.same(sleeps, [QUIET_MS, QUIET_MS], "one that may be in use is looked at again");
  t.notMatch(text, PASSWORD);
});

t.test(
  "the password is sent where it is asked for; a homeserver that refuses it keeps the device",
  async (t) => {
    const devices = [OURS, former("OLD", QUIET_MS)];
    const { sent, lines, checks, sleeps } = await tidy(
      200,
      { devices },
      { removal: 401, password: PASSWORD },
    );
    t.match(sent[1], { devices: ["OLD"], auth: undefined });
    t.match(sent[3], { auth: { type: "m.login.password", password: PASSWORD, session: "s" } });
    t.match(lines, [
      { level: "warn", result: "password-needed" },
      { device: "OLD", command: /OLD/ },
    ]);
    t.match(checks, [{ count: 1 }]);
    t.same(sleeps, []);
  },
);

t.test("without a password nothing is tried; no other device is no problem", async (t) => {
  t.match(await tidy(200, { devices: [OURS, former("OLD", QUIET_MS)] }), {
    sent: [],
    checks: [{ count: 1, message: /1 other device of the bot's name \(OLD\)/ }],
  });
  t.same((await tidy(200, { devices: [OURS] })).checks, [{ problem: "old-devices", count: 0 }]);
});
