// SPDX-License-Identifier: Apache-2.0
// Tests the cache of rooms against a simulated homeserver.
import t from "tap";
import type { MatrixAnswer } from "../../server/matrix/http.ts";
import { RequestFailed } from "../../server/matrix/request-failed.ts";
import type { EncryptionSettings } from "../../server/matrix/room-encryption.ts";
import { createRooms } from "../../server/matrix/rooms.ts";

const ALGORITHM = "m.megolm.v1.aes-sha2";
const absent: MatrixAnswer = {
  ok: false,
  kind: "matrix",
  status: 404,
  errcode: "M_NOT_FOUND",
  softLogout: false,
};
const away: MatrixAnswer = { ok: false, kind: "unreachable", what: "refused the connection" };

type Answers = { members?: MatrixAnswer | Promise<MatrixAnswer>; encryption?: MatrixAnswer };

const setUp = (answers: Answers, settings = new Map<string, EncryptionSettings>()) => {
  const tracked: string[] = [];
  let asked = 0;
  const rooms = createRooms({
    requests: {
      async request({ path }) {
        asked += 1;
        if (path.endsWith("joined_members")) {
          return (
            answers.members ?? { ok: true, status: 200, body: { joined: { "@alice:x": {}, "@bot:x": {} } } }
          );
        }
        return path.includes("m.room.encryption") ? (answers.encryption ?? absent) : absent;
      },
    },
    crypto: () => ({
      settings: async (room) => settings.get(room),
      keepSettings: async (room, kept) => void settings.set(room, kept),
      track: async (_room, { state_key }) => void tracked.push(state_key),
    }),
  });
  return { rooms, settings, tracked, answers, asked: () => asked };
};

const member = (user: string, membership: string) => ({
  type: "m.room.member",
  state_key: user,
  sender: user,
  content: { membership },
});
const encryption = {
  type: "m.room.encryption",
  state_key: "",
  sender: "@alice:x",
  content: { algorithm: ALGORITHM },
};

t.test("a room is asked about once", async (t) => {
  const { rooms, asked } = setUp({});
  t.equal(await rooms.isEncrypted("!a"), false);
  t.same(await rooms.members("!a"), ["@alice:x", "@bot:x"]);
  t.equal(asked(), 3);
});

t.test("a room whose encryption can't be asked for is neither, and is asked again", async (t) => {
  const { rooms, answers } = setUp({ encryption: away });
  const error = await rooms.isEncrypted("!a").catch((reason: unknown) => reason);
  t.ok(error instanceof RequestFailed);
  answers.encryption = { ok: true, status: 200, body: { algorithm: ALGORITHM } };
  t.equal(await rooms.isEncrypted("!a"), true);
});

t.test("a room that was encrypted is encrypted, whatever the homeserver says later", async (t) => {
  const { rooms } = setUp({}, new Map([["!a", { algorithm: ALGORITHM }]]));
  t.equal(await rooms.isEncrypted("!a"), true);
  await rooms.members("!a");
  await rooms.apply("!a", [{ ...encryption, content: {} }]);
  t.equal(await rooms.isEncrypted("!a"), true);
});

t.test("settings that can't be read make no plain room", async (t) => {
  const { rooms } = setUp({ encryption: { ok: true, status: 200, body: {} } });
  t.equal(await rooms.isEncrypted("!a"), true);
});

t.test("members come and go with the syncs", async (t) => {
  const { rooms } = setUp({});
  await rooms.members("!a");
  await rooms.apply("!a", [
    member("@bob:x", "join"),
    member("@carol:x", "invite"),
    member("@alice:x", "leave"),
  ]);
  t.same(await rooms.members("!a"), ["@bot:x", "@bob:x"]);
});

t.test("what a sync says while the question is under way counts more than the answer", async (t) => {
  let answer = (_: MatrixAnswer) => {};
  const members = new Promise<MatrixAnswer>((resolve) => {
    answer = resolve;
  });
  const { rooms } = setUp({ members });
  const asked = rooms.members("!a");
  await rooms.apply("!a", [member("@alice:x", "leave"), member("@bob:x", "join")]);
  answer({ ok: true, status: 200, body: { joined: { "@alice:x": {}, "@bot:x": {} } } });
  t.same((await asked).sort(), ["@bob:x", "@bot:x"]);
});

t.test("members of an encrypted room are tracked, wherever in the state the encryption stands", async (t) => {
  const { rooms, tracked } = setUp({});
  await rooms.apply("!a", [
    member("@alice:x", "join"),
    encryption,
    member("@bob:x", "invite"),
    member("@eve:x", "leave"),
  ]);
  t.same(tracked, ["@alice:x", "@bob:x"]);
});

t.test("members of a plain room are not", async (t) => {
  const { rooms, tracked } = setUp({});
  await rooms.apply("!a", [member("@alice:x", "join")]);
  await rooms.members("!a");
  t.same(tracked, []);
});

t.test("those who were there before a room was encrypted are tracked from then on", async (t) => {
  const { rooms, tracked } = setUp({});
  await rooms.members("!a");
  await rooms.apply("!a", [encryption]);
  t.same(tracked, ["@alice:x", "@bot:x"]);
});

t.test("a room of two is direct, until somebody joins, and says what the bot is called", async (t) => {
  const joined = { "@alice:x": {}, "@bot:x": { display_name: "Key Switch" } };
  const { rooms, asked } = setUp({ members: { ok: true, status: 200, body: { joined } } });
  t.same(await rooms.describe("!a", "@bot:x"), { direct: true, shownName: "Key Switch" });
  await rooms.apply("!a", [member("@bob:x", "invite")]);
  t.match(await rooms.describe("!a", "@bot:x"), { direct: true });
  await rooms.apply("!a", [
    member("@bob:x", "join"),
    { ...member("@bot:x", "join"), content: { membership: "join", displayname: "Switch" } },
  ]);
  t.same(await rooms.describe("!a", "@bot:x"), { direct: false, shownName: "Switch" });
  await rooms.apply("!a", [member("@bob:x", "leave")]);
  t.match(await rooms.describe("!a", "@bot:x"), { direct: true });
  t.equal(asked(), 3, "it is asked once");
});

t.test(
  "a room that the homeserver does not tell of is not direct; where it may later, it is asked again",
  async (t) => {
    const forbidden = { ...absent, status: 403, errcode: "M_FORBIDDEN" } as const;
    t.same(await setUp({ members: forbidden }).rooms.describe("!a", "@bot:x"), { direct: false });
    const fails = { ok: false, kind: "http", status: 502 } as const;
    t.same(
      await setUp({ members: fails }).rooms.describe("!a", "@bot:x"),
      { direct: false },
      "of this room alone",
    );
    await t.rejects(setUp({ members: away }).rooms.describe("!a", "@bot:x"));
  },
);
