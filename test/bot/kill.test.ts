// SPDX-License-Identifier: Apache-2.0
// Kills the bot at every access to disk, API server or homeserver while others change the Toggles: no command takes effect
// twice, and each is answered once.
import fc from "fast-check";
import t from "tap";
import { type Action, COMMANDS, OTHERS, play } from "./killed-conversation.ts";

const conversation: Action[] = [
  { do: "say", text: "stop", other: false },
  { do: "hook", name: "web", phase: "Stopping" },
  { do: "pass", ms: 1000 },
  { do: "hook", name: "web", phase: "Off" },
  { do: "pass", ms: 1000 },
  { do: "say", text: "start 1h", other: true },
  { do: "say", text: "status", other: false },
  { do: "kubectl", name: "web", enabled: false },
  { do: "say", text: "stop nothing", other: false },
  { do: "pass", ms: 2000 },
];

for (const away of [0, 200_000]) {
  for (const api of ["up", "applies, then fails"] as const) {
    const title = `killed at each point of a conversation, away for ${away / 1000} s, API server ${api}`;
    t.test(`${title}: nothing twice, nothing lost`, async (t) => {
      const actions: Action[] = [{ do: "api", mood: api }, ...conversation];
      const whole = await play(actions, []);
      t.same(whole.faults, []);
      t.ok(whole.points > 40, `${whole.points} points`);
      for (let after = 0; after < whole.points; after++) {
        const { faults } = await play(actions, [{ after, away }]);
        if (faults.length > 0) t.fail(`killed after ${after} points: ${faults.join("; ")}`);
      }
    });
  }
}

t.test("killed at each point of a switch, its one answer ends with the truth", async (t) => {
  const actions: Action[] = [
    { do: "say", text: "stop", other: false },
    { do: "hook", name: "web", phase: "Stopping" },
    { do: "pass", ms: 1000 },
    { do: "hook", name: "web", phase: "Off" },
    { do: "pass", ms: 1000 },
  ];
  const { points } = await play(actions, []);
  for (let after = 0; after < points; after++) {
    const { faults, world } = await play(actions, [{ after, away: 0 }]);
    t.same(faults, []);
    const [answer] = world.said;
    // Where the kill came before the patch, the hook that saw the old spec is the last that ran.
    const state =
      world.toggles.get("web")?.status?.observedGeneration === 2 ? /^web is off:/ : /^web is switching off…/;
    t.match(answer?.edits.at(-1) ?? answer?.text, state, `killed after ${after} points`);
    t.equal(world.said.length, 1);
  }
});

const name = fc.constantFrom("web", "api");
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("say" as const),
      text: fc.constantFrom(...COMMANDS, ...COMMANDS, ...OTHERS),
      other: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("kubectl" as const), name, enabled: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("hook" as const),
      name,
      phase: fc.constantFrom("Off" as const, "Running" as const, "Starting" as const, "Stopping" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("delete" as const, "create" as const, "create" as const),
      name,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(10, 1000, 6000, 130_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("api" as const),
      mood: fc.constantFrom(
        "up" as const,
        "up" as const,
        "unavailable" as const,
        "applies, then fails" as const,
        "applies late" as const,
        "hangs" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("chat" as const),
      mood: fc.constantFrom("up" as const, "away" as const),
    }),
  },
);

t.test("random conversations, killed several times: nothing twice, nothing lost", async (t) => {
  const kills = fc.array(
    fc.record({ after: fc.nat(30), away: fc.constantFrom(0, 0, 5_000, 200_000, 90_000_000) }),
    { maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 12 }), kills, async (actions, kills) => {
      const { faults } = await play(actions, kills);
      if (faults.length > 0) throw new Error(faults.join("; "));
    }),
    { numRuns: 300 },
  );
  t.pass("none");
});
