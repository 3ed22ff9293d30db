// SPDX-License-Identifier: Apache-2.0
// Tests invitations of each kind of user on a real homeserver, while the bot runs and while it does not.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import t from "tap";
import { openBotStore } from "../../server/bot/store.ts";
import { startBotConnection } from "./bot-connection.ts";
import { plainUser } from "./plain-user.ts";
import { synapseFor } from "./synapse.ts";

/** Synapse repeats its answer to the same question for two minutes. */
const filter = (limit: number): string =>
  encodeURIComponent(JSON.stringify({ room: { timeline: { limit } } }));

const Position = Type.Object({ next_batch: Type.String() });

t.test("on a real homeserver", async (t) => {
  const synapse = await synapseFor(t);
  if (synapse === undefined) return;
  const account = await synapse.registerUser("bot");
  const alice = await plainUser(synapse, await synapse.registerUser("alice"));
  const mallory = await plainUser(synapse, await synapse.registerUser("mallory"));
  const folder = t.testdir();
  const start = (at = folder) =>
    startBotConnection(t, { homeserver: synapse, account, folder: at, allowed: [alice.userId] });
  const membership = async (user: typeof alice, room: string): Promise<unknown> => {
    const path = `rooms/${encodeURIComponent(room)}/state/m.room.member/${encodeURIComponent(account.userId)}`;
    return user.call("GET", path);
  };

  for (const kind of ["live", "pending at the start", "pending at the first start"]) {
    t.test(
      `${kind}: an allowed user's invitation is followed, another's is declined without a word`,
      async (t) => {
        const isLive = kind === "live";
        const at = kind === "pending at the first start" ? t.testdir() : folder;
        let bot = isLive ? await start(at) : undefined;
        await bot?.until("sync ok");
        const [wanted, unwanted] = [await alice.room([account.userId]), await mallory.room([account.userId])];
        bot ??= await start(at);
        await Promise.all([bot.until("invitation accepted"), bot.until("invitation refused")]);
        t.match(await membership(alice, wanted), { membership: "join" });
        t.match(await membership(mallory, unwanted), { membership: "leave" });
        t.notOk(
          (await mallory.events(unwanted)).some(
            ({ sender, type }) => sender === account.userId && type !== "m.room.member",
          ),
        );
        t.ok(bot.logged.some((line) => line.includes(mallory.userId) && line.includes("declined")));
        await bot.stop();
      },
    );
  }

  t.test("an invitation that is repeated by a restart is answered once", async (t) => {
    const bot = await start();
    await bot.until("sync ok");
    await alice.room([account.userId]);
    await bot.until("invitation accepted");
    await bot.stop();
    const again = await start();
    const room = await alice.room([account.userId]);
    await again.until("invitation accepted");
    t.same(
      again.told.filter(({ what }) => what.startsWith("invitation")),
      [{ what: "invitation accepted" }],
    );

    await t.test("and being removed from a room is told", async (t) => {
      const path = `rooms/${encodeURIComponent(room)}/kick`;
      await alice.call("POST", path, { user_id: account.userId });
      t.match(await again.until("left"), { room, sender: alice.userId });
    });
    await again.stop();
  });

  t.test(
    "an invitation that a killed bot had not answered is answered by the next start, and the one after",
    async (t) => {
      const self = await plainUser(synapse, account);
      for (const round of [1, 2]) {
        const room = await alice.room([account.userId]);
        // As if the sync that brought it had been written down, and the bot killed then.
        const position = Value.Decode(
          Position,
          await self.call("GET", `sync?timeout=0&filter=${filter(round)}`),
        );
        const store = openBotStore(folder);
        store.put("sync", "token", position.next_batch);
        store.close();
        const bot = await start();
        await bot.until("invitation accepted");
        t.match(await membership(alice, room), { membership: "join" }, `round ${round}`);
        await bot.stop();
      }
    },
  );
});
