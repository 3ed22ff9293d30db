// SPDX-License-Identifier: Apache-2.0
// Tests who may use which Toggle from where; each row is a Toggle's annotations.
import t from "tap";
import { ALLOWED_ROOMS_ANNOTATION, ALLOWED_USERS_ANNOTATION, createAccess } from "../../server/bot/access.ts";
import { ALICE, BOB, ROOM, toggleNamed } from "./world.ts";

const EVE = "@eve:example.org";

const rows: [
  title: string,
  users: string | undefined,
  rooms: string | undefined,
  may: boolean,
  readable: boolean,
][] = [
  ["no annotation: every allowed user, in every room", undefined, undefined, true, true],
  ["the user is named", ALICE, undefined, true, true],
  ["the user is one of several", `${BOB}, ${ALICE}`, undefined, true, true],
  ["another user is named", BOB, undefined, false, true],
  ["the room is named", undefined, ROOM, true, true],
  ["a room without a server, as newer rooms are", undefined, `!AbC_d-1,${ROOM}`, true, true],
  ["another room is named", undefined, "!elsewhere:example.org", false, true],
  ["the user but not the room", ALICE, "!elsewhere:example.org", false, true],
  ["a name that only begins the same", "@alice:example.organic", undefined, false, true],
  ["another case", "@Alice:example.org", undefined, false, true],
  ["an entry that is no user id", `${ALICE},bob`, undefined, false, false],
  ["a comma at the end", `${ALICE},`, undefined, false, false],
  ["nothing", "", undefined, false, false],
  ["a wildcard", "*", undefined, false, false],
  ["a server that is none", "@alice:exa mple", undefined, false, false],
  ["an alias is no room id", undefined, "#room:example.org", false, false],
  ["users separated by spaces", `${ALICE} ${BOB}`, undefined, false, false],
];

for (const [title, users, rooms, may, readable] of rows) {
  t.test(title, async (t) => {
    const told: unknown[] = [];
    const access = createAccess([ALICE, BOB], (annotation) => told.push(annotation));
    const toggle = toggleNamed(
      "web",
      {},
      {
        ...(users !== undefined && { [ALLOWED_USERS_ANNOTATION]: users }),
        ...(rooms !== undefined && { [ALLOWED_ROOMS_ANNOTATION]: rooms }),
      },
    );
    t.equal(access.mayUse(toggle, { sender: ALICE, room: ROOM }), may);
    t.equal(access.mayUse(toggle, { sender: ALICE, room: ROOM }), may);
    t.equal(told.length, readable ? 0 : 1, "an annotation that can't be read is told once");
  });
}

t.test("an annotation never widens, and nobody else may talk", async (t) => {
  const access = createAccess([ALICE]);
  const toggle = toggleNamed("web", {}, { [ALLOWED_USERS_ANNOTATION]: `${EVE},${ALICE}` });
  t.equal(access.mayUse(toggle, { sender: EVE, room: ROOM }), false);
  t.same(access.usersOf(toggle, ROOM), [ALICE]);
  t.same([access.mayTalk(EVE), access.mayTalk(ALICE), access.mayTalk(`${ALICE} `)], [false, true, false]);
});
