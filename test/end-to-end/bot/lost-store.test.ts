// SPDX-License-Identifier: Apache-2.0
// Tests the loss of the bot's store without a recovery key: its new device is reported as unsigned and the old one as left over,
// until `bot setup` and a restart heal it.
import { execFile } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import type { BotProcess } from "../../../scripts/local/bot-process.ts";
import { inheritedEnv } from "../../../scripts/local/inherited-env.ts";
import { setScene } from "./scene.ts";

const MAIN = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));

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
  t.match(await first.probe("/readyz"), { body: /"name":"backup","ok":false[^}]*bot setup/ });
  t.equal(await first.metric('keyswitch_bot_account_problems{problem="no-backup"}'), 1);
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
  t.match(body, /"name":"old-devices","ok":false,"required":false,"message":"[^"]*1 other device/);
  t.equal(await second.metric('keyswitch_bot_account_problems{problem="unsigned-device"}'), 1);
  t.equal(await second.metric('keyswitch_bot_account_problems{problem="old-devices"}'), 1);
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

  const keyFile = `${scene.storePath}.key`;
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, "bot", "setup", "--reset"], {
    env: {
      ...inheritedEnv(),
      MATRIX_HOMESERVER: synapse.baseUrl,
      MATRIX_USER: account.userId,
      MATRIX_PASSWORD: account.password,
    },
  });
  writeFileSync(keyFile, stdout);
  const third = await scene.bot({ MATRIX_RECOVERY_KEY_FILE: keyFile });
  await third.printed("the bot's device is signed by its identity");
  await third.ready();
  for (const problem of ["no-backup", "unsigned-device", "old-devices"]) {
    t.equal(await third.metric(`keyswitch_bot_account_problems{problem="${problem}"}`), 0, problem);
  }
  const { alice } = scene;
  await alice.seesMember(await alice.createRoom({ invite: [account.userId] }), account.userId);
  const seen = await alice.devicesOf(account.userId);
  t.same(
    seen.map(({ id, signedByOwner }) => ({ id, signedByOwner })),
    devices.map((id) => ({ id, signedByOwner: true })),
  );
  t.equal(await third.end(), 0);
});
