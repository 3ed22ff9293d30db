// SPDX-License-Identifier: Apache-2.0
// Tests two agents asked in order, the second with a stale copy: a version older than the applied one is never applied.
import t from "tap";
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { convergenceCheck } from "../convergence.ts";
import { explore } from "../exploring.ts";
import { believed, sync } from "./hooks.ts";
import { base64, context, found, type RequestParts, request, secret } from "./request.ts";
import { inSync, other, token } from "./sync-rows.ts";

const APPLIED = "hsm.j5t.io/applied";

/** A reading of version `version` of the second agent, after the first has failed. */
const ofSecond = (data: StringMap, version: number): Reading => ({
  ...found(data),
  version,
  device: "second",
  mirror: true,
});
const ofFirst = (data: StringMap, version: number): Reading => ({ ...found(data), version });

/** A Secret that was made of version `version` of the first agent, or of `device`, and the status of that sync. */
const given = (data: StringMap, version: number, spec: HSMSecretSpec = {}, device = "pico") => {
  const reading = { ...found(data), version, device };
  const made = sync(request({ spec }), context, reading).response.children[0]?.metadata;
  const { annotations = {} } = made as { annotations?: StringMap };
  const owned: [Secret] = [secret(data, { annotations })];
  return { spec, owned, status: sync(request({ spec, owned }), context, reading).response.status ?? {} };
};

const outcomeOf = (parts: RequestParts, reading: Reading) => {
  const input = request(parts);
  const { response, outcome } = sync(input, context, believed(input, context, reading));
  return { outcome, data: response.children[0]?.data, status: response.status };
};

t.test("the Secret carries which version of whose token it was made of", async (t) => {
  const { owned, status } = given(token, 5);
  t.same(JSON.parse(owned[0].metadata.annotations?.[APPLIED] ?? ""), {
    path: "secrets/demo/app",
    version: 5,
    device: "pico",
  });
  t.same(status.lastReading, { version: 5, device: "pico" });
});

t.test("an older version of another agent is not applied, and the status says which it is", async (t) => {
  for (const spec of [{}, { writeBack: "OnChange" }] as const) {
    const parts = given(token, 5, spec);
    const behind = outcomeOf(parts, ofSecond(other, 4));
    t.equal(behind.outcome, "HSMUnavailable");
    t.same(behind.data, base64(token));
    t.match(behind.status?.lastError, /AGENT_BEHIND.*second holds version 4.*version 5 of pico/);
    t.equal(outcomeOf(parts, ofFirst(other, 6)).outcome, "Applying", "the first is believed when it is back");
    t.equal(outcomeOf(parts, ofSecond(other, 6)).outcome, "Applying", "and so is a newer one of the second");
    t.equal(outcomeOf(parts, ofSecond(token, 5)).outcome, "Synced", "and the same");
    t.equal(outcomeOf(parts, ofSecond(token, 4)).outcome, "Synced", "and an older one of the same content");
    t.equal(outcomeOf(parts, ofSecond(other, 5)).outcome, "HSMUnavailable", "but not one that has diverged");
  }
});

t.test("a status that is behind the Secret does not vouch for what the Secret has left behind", async (t) => {
  const { owned } = given(other, 6);
  const { status } = given(token, 5);
  t.equal(outcomeOf({ owned, status }, ofSecond(token, 5)).outcome, "HSMUnavailable");
  t.equal(
    outcomeOf({ owned, status }, ofSecond(token, 6)).outcome,
    "HSMUnavailable",
    "nor for one that diverged",
  );
});

t.test("without a Secret the status tells", async (t) => {
  const { status } = given(token, 5);
  t.equal(outcomeOf({ status }, ofSecond(other, 4)).outcome, "HSMUnavailable");
  t.equal(outcomeOf({ status }, ofSecond(token, 5)).outcome, "Applying");
  t.equal(outcomeOf({}, ofSecond(other, 4)).outcome, "Applying", "nothing was applied before");
});

t.test(
  "a Secret of an earlier version takes what the first agent has, and no change of the second",
  async (t) => {
    const { lastReading: _, ...status } = inSync();
    const owned = [secret(token)];
    t.equal(outcomeOf({ owned, status }, ofSecond(other, 9)).outcome, "HSMUnavailable");
    t.equal(outcomeOf({ owned, status }, ofSecond(token, 9)).outcome, "Synced");
    t.equal(outcomeOf({ owned, status }, ofFirst(other, 1)).outcome, "Applying");
  },
);

t.test(
  "a token's own versions may begin anew, and so may those of an agent in another's place",
  async (t) => {
    t.equal(outcomeOf(given(token, 5), ofFirst(other, 1)).outcome, "Applying");
    t.equal(
      outcomeOf(given(token, 5, {}, "second"), ofFirst(other, 4)).outcome,
      "HSMUnavailable",
      "not another's",
    );
    t.equal(outcomeOf(given(token, 5, {}, "gone"), ofFirst(other, 1)).outcome, "Applying");
    t.equal(outcomeOf(given(token, 5, {}, "gone"), ofSecond(other, 1)).outcome, "HSMUnavailable");
  },
);

t.test("spec.device says whose token counts, and another path has versions of its own", async (t) => {
  const parts = given(token, 5);
  t.equal(outcomeOf({ ...parts, spec: { device: "second" } }, ofSecond(other, 1)).outcome, "Applying");
  const moved = { ...parts, spec: { hsmPath: "secrets/demo/else" } };
  t.equal(outcomeOf(moved, ofFirst(other, 1)).outcome, "Applying");
});

t.test("an edit under writeBack is no conflict with a copy that lags", async (t) => {
  const parts = given(token, 5, { writeBack: "OnChange" });
  const edited = { ...parts.owned[0], data: base64({ ...token, password: "edited" }) };
  const { outcome, data } = outcomeOf({ ...parts, owned: [edited] }, ofSecond(other, 4));
  t.equal(outcome, "HSMUnavailable");
  t.same(data, edited.data);
});

type Content = "a" | "b" | "c";
const CONTENT: Record<Content, StringMap> = { a: { k: "1" }, b: { k: "2" }, c: { k: "3" } };
type Held = { readonly content: Content; readonly version: number };

interface World {
  readonly first: Held;
  readonly second: Held;
  readonly down: boolean;
  readonly data: StringMap | undefined;
  readonly annotations: StringMap;
  readonly status: Record<string, unknown>;
  /** The highest version whose content the Secret was given, as far as Secret or status can know. */
  readonly highest: number;
  /** The first agent has another name from now on. */
  readonly renamed: boolean;
}

const isOf = (data: StringMap, { content }: Held): boolean =>
  checksumOfBase64(data) === checksumOfBase64(base64(CONTENT[content]));

const readingOf = ({ down, first, second, renamed }: World): Reading =>
  down
    ? ofSecond(CONTENT[second.content], second.version)
    : { ...ofFirst(CONTENT[first.content], first.version), ...(renamed && { device: "other name" }) };

const stepWith =
  (lost?: "status") =>
  (world: World): World => {
    const owned =
      world.data === undefined ? [] : [secret({}, { annotations: world.annotations }, { data: world.data })];
    const input = request({ owned, status: world.status });
    const where = { ...context, agents: [world.renamed ? "other name" : "pico", "second"] };
    const { response } = sync(input, where, believed(input, where, readingOf(world)));
    const [child] = response.children as unknown as [Child?];
    const status = lost === "status" ? world.status : { ...response.status };
    return child === undefined ? { ...world, status } : applied({ ...world, status }, child);
  };

interface Child {
  readonly data: StringMap;
  readonly metadata: { readonly annotations?: StringMap };
}

/** The world with the answer's child; throws where an older version comes after a newer one. */
const applied = (world: World, { data, metadata }: Child): World => {
  const changed = world.data === undefined || checksumOfBase64(data) !== checksumOfBase64(world.data);
  const source = world.down ? world.second : world.first;
  if (changed && isOf(data, source) && source.version < world.highest) {
    throw new Error(`version ${source.version} was applied after ${world.highest}`);
  }
  const highest = changed ? Math.max(world.highest, source.version) : world.highest;
  return { ...world, data, annotations: metadata.annotations ?? {}, highest };
};

const step = stepWith();
const write = (world: World, content: Content): World => ({
  ...world,
  first: { content, version: world.first.version + 1 },
});

const ACTIONS: Record<string, (world: World) => World> = {
  sync: step,
  "sync whose status is lost": stepWith("status"),
  "write a": (world) => write(world, "a"),
  "write b": (world) => write(world, "b"),
  "the copy catches up": (world) => ({ ...world, second: world.first }),
  "the first goes or comes": (world) => ({ ...world, down: !world.down }),
  "edit the Secret": (world) => (world.data === undefined ? world : { ...world, data: { k: "ZWRpdGVk" } }),
  "delete the Secret": (world) => {
    const { version = 0 } = (world.status.lastReading ?? {}) as { version?: number };
    return { ...world, data: undefined, annotations: {}, highest: Math.min(world.highest, version) };
  },
  "the first gets another name": (world) => ({ ...world, renamed: true }),
};

const keyOf = (world: World): string => JSON.stringify(world);
const faultAtRest = ({ data, first, status }: World): string | undefined => {
  if (status.syncStatus !== "InSync") {
    return `rests at ${String(status.syncStatus)}: ${String(status.lastError)}`;
  }
  return data !== undefined && isOf(data, first)
    ? undefined
    : "rests with other data than the first agent has";
};

t.test("no interleaving applies an older version, and the first agent's counts in the end", async (t) => {
  const settles = convergenceCheck({ keyOf, next: step, faultAtRest, rounds: 6 });
  const held: Held = { content: "c", version: 1 };
  const nothing = { data: undefined, annotations: {}, status: {}, highest: 0, renamed: false };
  const start: World = { first: held, second: held, down: false, ...nothing };
  const { states, failures } = explore({
    starts: [{ world: start, path: [] }],
    actsOf: (world) => Object.entries(ACTIONS).map(([name, act]) => [name, () => act(world)]),
    keyOf,
    faultOf: (world) => settles({ ...world, down: false }),
    depth: 7,
  });
  t.same(failures.slice(0, 5), []);
  t.comment(`${states} states`);
  t.ok(states > 5000, "the search went somewhere");
});
