// SPDX-License-Identifier: Apache-2.0
// Tests the loss of the bot's store without a recovery key: its new device is reported as unsigned, and the old one stays.
import { rmSync } from "node:fs";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import type { BotProcess } from "../../../scripts/local/bot-process.ts";
import { setScene } from "./scene.ts";

const Told = Type.Object({ device: Type.String(), command: Type.String() });
const OTHER = "the bot's account has another device";

/** The devices that the log tells, with the paths that their commands delete. */
const othersOf = (bot: BotProcess) =>
  bot.lines
    .filter((line) => line.includes(OTHER))
    .map((line) => {
      const { device, command } = Value.Decode(Told, JSON.parse(line));
      return { device, path: /\/_synapse\/admin\/(\S+)'$/.exec(command)?.[1] ?? "" };
    });

t.test("a lost store, without a recovery key", async (t) => {
  const scene = await setScene(t);
  if (scene === undefined) return;
  const { synapse, account } = scene;
  const first = await scene.bot();
  await first.ready();
  await first.printed("the bot's device is signed by its identity");
  t.match(await first.probe("/readyz"), {
    status: 200,
    body: '{"name":"device","ok":true,"required":false}',
  });
  t.equal(await first.metric("keyswitch_bot_device_signed"), 1);
  t.same(othersOf(first), []);
  t.equal(await first.end(), 0);
  const [old = ""] = await synapse.devicesOf(account.userId);

  rmSync(scene.storePath, { recursive: true });
  const second = await scene.bot();
  await second.ready();
  await second.printed(OTHER);
  t.equal(await second.metric("keyswitch_bot_device_signed"), 0);
  const { status, body } = await second.probe("/readyz");
  t.equal(status, 200, "it works all the same");
  t.match(body, /"name":"device","ok":false,"required":false,"message":"[^"]*MATRIX_RECOVERY_KEY_FILE/);
  const others = othersOf(second);
  t.same(
    others.map(({ device }) => device),
    [old],
  );
  await synapse.admin("DELETE", others[0]?.path ?? "");
  const devices = await synapse.devicesOf(account.userId);
  t.equal(devices.length, 1);
  t.notOk(devices.includes(old), "its command removes it");
  t.equal(await second.end(), 0);
});
