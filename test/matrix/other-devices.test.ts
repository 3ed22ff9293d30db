// SPDX-License-Identifier: Apache-2.0
// Tests the log lines about other devices of the bot's account, and the command that removes each: ids and names are the
// homeserver's.
import t from "tap";
import { logOtherDevices } from "../../server/matrix/other-devices.ts";
import { recordedLog } from "../http/recorded-log.ts";

const told = async (status: number, body: unknown) => {
  const log = recordedLog();
  await logOtherDevices({
    request: async () => ({ status, body }),
    homeserver: "https://matrix.example.org",
    userId: "@bot:example.org",
    deviceId: "OURS",
    logger: log.logger,
  });
  return log.lines;
};

t.test("the bot's own is left out, and each other one has its command", async (t) => {
  const lines = await told(200, {
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
  const lines = await told(200, {
    devices: Array.from({ length: 25 }, (_, index) => ({ device_id: `OLD${index}` })),
  });
  t.equal(lines.length, 21);
  t.match(lines.at(-1), { more: 5 });
});

t.test("a homeserver that tells none is left alone", async (t) => {
  t.same(await told(404, {}), []);
  t.same(await told(200, { devices: "many" }), []);
});
