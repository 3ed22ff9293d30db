// SPDX-License-Identifier: Apache-2.0
// Tests that more time by a reaction waits for the approval of others where the Toggle asks for that.
import t from "tap";
import { createAccess } from "../../server/bot/access.ts";
import { APPROVALS_ANNOTATION } from "../../server/bot/approval.ts";
import type { Authorship } from "../../server/bot/chat.ts";
import { ALICE, BOB, makeWorld, ROOM, toggleNamed, type World } from "./world.ts";

const now = { resumed: false };
const MINUTE = 60_000;

const until = ({ toggles }: World) => toggles.get("web")?.spec.until;

/** Alice has had web started for two hours; that is about to be over, it needs approval by now, and `by` reacts to the news. */
const reacted = async ({ by = ALICE, authorship = "plain" }: { by?: string; authorship?: Authorship }) => {
  const world = makeWorld([toggleNamed("web")]);
  const { runner } = world.live(undefined, { access: createAccess([ALICE, BOB]) });
  runner.start();
  runner.accept(world.message("start web 2h", { direct: false }), now);
  await world.pass(0);
  world.becomes("web", "Running");
  await world.pass(115 * MINUTE);
  const web = world.toggles.get("web");
  if (web === undefined) throw new Error("there is no web");
  const metadata = { ...web.metadata, annotations: { [APPROVALS_ANNOTATION]: "1" } };
  world.toggles.set("web", { ...web, metadata });
  const warning = world.told.at(-1)?.id ?? "";
  runner.confirm(warning, { id: "$reaction", sender: by, room: ROOM, authorship });
  await world.pass(0);
  const question = world.said.at(-1);
  return { world, runner, question, code: /approve ([a-z0-9]{5})$/m.exec(question?.text ?? "")?.[1] ?? "" };
};

t.test("who reacts asks for it, and somebody else approves: also whoever has started it", async (t) => {
  const { world, runner, question, code } = await reacted({ by: BOB });
  t.match(
    question?.text,
    /^@bob:example\.org asks for: extend web by 2h\nThis waits for 1 other user .* react with 👍 to this within 5 minutes, or write here: approve/s,
  );
  runner.confirm(question?.id ?? "", { id: "$own", sender: BOB, room: ROOM, authorship: "plain" });
  await world.pass(0);
  t.equal(until(world), "2026-11-22T10:00:00Z", "one's own approval does not count");
  runner.accept(world.message(`approve ${code}`, { direct: false, sender: ALICE }), now);
  await world.pass(0);
  t.equal(until(world), "2026-11-22T12:00:00Z");
});

t.test("in an encrypted room a reaction approves nothing, and the question says so", async (t) => {
  const { world, runner, question, code } = await reacted({ authorship: "unproven" });
  t.match(question?.text, /write here within 5 minutes: approve .*\nA reaction is not encrypted/);
  const reaction = { id: "$r", sender: BOB, room: ROOM, authorship: "unproven" } as const;
  runner.confirm(question?.id ?? "", reaction);
  await world.pass(0);
  t.equal(until(world), "2026-11-22T10:00:00Z");
  runner.accept(world.message(`approve ${code}`, { direct: false, sender: BOB }), now);
  await world.pass(0);
  t.equal(until(world), "2026-11-22T12:00:00Z");
});

t.test("it is waited for no longer than the time that is to be extended", async (t) => {
  const { world, question } = await reacted({});
  await world.pass(6 * MINUTE);
  t.equal(
    question?.edits.at(-1),
    "extend web by 2h was not approved in time (0 of 1): nothing was switched.",
  );
  t.equal(until(world), "2026-11-22T10:00:00Z");
});
