// SPDX-License-Identifier: Apache-2.0
// Model-checks the two-way sync: every interleaving, up to a depth, of edits on either side, outages, crashes and lost
// answers at each place of a sync, choices of the user and resyncs. No update is lost without a Conflict that shows it
// and a choice against it, no status lies, and once it is quiet all sides are equal.
import t from "tap";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import { depthOf } from "../deep-models.ts";
import { type Act, type Explored, explore } from "../exploring.ts";
import { base64 } from "./request.ts";
import { createConvergenceCheck } from "./two-way-rest.ts";
import { begin, canonical, hasBase, type World } from "./two-way-state.ts";
import { choose, deleteSecret, secretUser, tokenUser } from "./two-way-users.ts";
import { step, syncs } from "./two-way-world.ts";

const A = base64({ password: "one", user: "ada" });
const B = base64({ password: "two" });
const [NEW = "", ONE = "", X = ""] = ["new", "one", "x"].map((value) =>
  Buffer.from(value).toString("base64"),
);

/** What can happen beside syncs; `password` is the Secret's key for the token's `password`. */
const actionsFor = (password: string): readonly (readonly [string, (world: World) => World])[] => [
  ["token: a", (world) => tokenUser(world, A)],
  ["token: b", (world) => tokenUser(world, B)],
  ["token: removed", (world) => tokenUser(world, undefined)],
  ["outage begins or ends", (world) => ({ ...world, outage: !world.outage })],
  ["Secret: password is new", (world) => secretUser(world, password, NEW)],
  ["Secret: password is one", (world) => secretUser(world, password, ONE)],
  ["Secret: password removed", (world) => secretUser(world, password, undefined)],
  ["Secret: extra added", (world) => secretUser(world, "extra", X)],
  ["Secret: extra removed", (world) => secretUser(world, "extra", undefined)],
  ["Secret: deleted", deleteSecret],
  ["resolve: hsm", (world) => choose(world, "hsm")],
  ["resolve: secret", (world) => choose(world, "secret")],
  ["resolve: removed", (world) => choose(world, undefined)],
  // Metacontroller forgets what it applied.
  ["restart the engine", (world) => ({ ...world, applied: undefined })],
];

interface Scene {
  readonly name: string;
  readonly spec: HSMSecretSpec;
  readonly password: string;
  /** Actions in a row, syncs included. */
  readonly depth: number;
}

const SCENES: readonly Scene[] = [
  { name: "the whole content", spec: {}, password: "password", depth: depthOf(5, 6) },
  { name: "onMissing Delete", spec: { onMissing: "Delete" }, password: "password", depth: depthOf(5, 6) },
  {
    name: "a mapping",
    spec: { data: [{ key: "key", hsmKey: "password" }] },
    password: "key",
    depth: depthOf(5, 6),
  },
];

/** Every state that `scene` can come to, and what is wrong on the way there or with where it leads. */
const exploreScene = ({ spec, password, depth }: Scene): Explored => {
  const actions = actionsFor(password);
  const start = [1, 2, 3].reduce((world) => step(world), begin(spec, { data: A }));
  if (!hasBase(start)) throw new Error("the Secret carries no base");
  return explore({
    starts: [{ world: start, path: [] }],
    actsOf: (world) => [
      ...syncs(world),
      ...actions.map(([name, act]): Act<World> => [name, () => act(world)]),
    ],
    keyOf: canonical,
    faultOf: createConvergenceCheck(),
    depth,
  });
};

t.test("no interleaving loses an update unseen, lies, or keeps the sides apart", async (t) => {
  let total = 0;
  for (const scene of SCENES) {
    const { states, failures } = exploreScene(scene);
    total += states;
    t.same(failures.slice(0, 5), [], scene.name);
    t.comment(`${scene.name}: ${states} states, every interleaving of up to ${scene.depth} steps`);
  }
  t.comment(`${total} states of the two-way sync`);
  t.ok(total > 30_000, "the search went somewhere");
});
