// SPDX-License-Identifier: Apache-2.0
// Explores a set of two HSMs whose members fail, come back, pull and take over: no interleaving rolls a Secret back or removes it.
import t from "tap";
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { Standing } from "../../../hooks/hsmsecret/reading.ts";
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { includes, type Stamp } from "../../../hooks/stamp.ts";
import { nextStamp, relate } from "../../../server/agent/storage/stamp.ts";
import { convergenceCheck } from "../convergence.ts";
import { explore } from "../exploring.ts";
import { believed, sync } from "./hooks.ts";
import { base64, context, found, request, secret } from "./request.ts";

type Name = "A" | "B";
/** What a token holds: each write has a content of its own, which its stamp and its writer name. */
interface Token {
  readonly stamp: Stamp;
  readonly by: Name;
}

interface World {
  readonly tokens: Readonly<Record<Name, Token>>;
  readonly primary: Name;
  readonly epoch: number;
  /** In which epoch each has pulled last. */
  readonly pulled: Readonly<Record<Name, number>>;
  readonly down: Name | undefined;
  readonly data: StringMap | undefined;
  readonly annotations: StringMap;
  readonly status: Record<string, unknown>;
  /** What the Secret was made of. */
  readonly applied: Token | undefined;
}

const where = { ...context, agents: ["hsm"] };
const otherOf = (name: Name): Name => (name === "A" ? "B" : "A");
const contentOf = ({ stamp, by }: Token): StringMap => ({ k: `${stamp.epoch}.${stamp.version} of ${by}` });
const isOf = (data: StringMap, token: Token): boolean =>
  checksumOfBase64(data) === checksumOfBase64(base64(contentOf(token)));

/** Who answers: the primary, or the mirror in its place. */
const answererOf = ({ primary, down }: World): Name => (down === primary ? otherOf(primary) : primary);

const standingOf = (world: World): Standing => {
  const { primary, epoch, tokens, pulled } = world;
  const member = answererOf(world);
  if (member === primary) return { role: "primary", epoch, member };
  // What the primary does not know of is told by the mirror once it has pulled; without a pull in this epoch it is no copy.
  const hasOwn = ["ahead", "diverged"].includes(relate(tokens[member].stamp, tokens[primary].stamp));
  const isCopy = pulled[member] === epoch && !hasOwn;
  return { role: "mirror", epoch, member, ...(isCopy && { isCopy }) };
};

const readingOf = (world: World): Reading => {
  const standing = standingOf(world);
  const token = world.tokens[answererOf(world)];
  const { epoch, version, history } = token.stamp;
  return {
    ...found(contentOf(token)),
    ...{ device: "hsm", version, standing },
    ...(epoch > 0 && { epoch }),
    ...(history.length > 0 && { history }),
    ...(standing.role !== "primary" && { mirror: true as const }),
  };
};

interface Child {
  readonly data: StringMap;
  readonly metadata: { readonly annotations?: StringMap };
}

const step = (world: World, lost?: "status"): World => {
  const owned =
    world.data === undefined ? [] : [secret({}, { annotations: world.annotations }, { data: world.data })];
  const input = request({ owned, status: world.status });
  const { response } = sync(input, where, believed(input, where, readingOf(world)));
  const [child] = response.children as unknown as [Child?];
  const status = lost === "status" ? world.status : { ...response.status };
  if (child === undefined) {
    if (world.data !== undefined) throw new Error("the Secret was removed");
    return { ...world, status };
  }
  return withChild({ ...world, status }, child);
};

/** The world with the answer's child; throws where the Secret is rolled back. */
const withChild = (world: World, { data, metadata }: Child): World => {
  const annotations = metadata.annotations ?? {};
  const changed = world.data === undefined || checksumOfBase64(data) !== checksumOfBase64(world.data);
  if (!changed) return { ...world, annotations };
  const source = world.tokens[answererOf(world)];
  if (!isOf(data, source)) throw new Error("the Secret was given what nobody holds");
  const { applied } = world;
  if (applied !== undefined && !includes(source.stamp, applied.stamp)) {
    throw new Error(`${JSON.stringify(source.stamp)} was applied after ${JSON.stringify(applied.stamp)}`);
  }
  if (applied !== undefined && !includes(world.tokens[world.primary].stamp, source.stamp)) {
    throw new Error(`${JSON.stringify(source.stamp)} was applied, which the primary never had`);
  }
  return { ...world, data, annotations, applied: source };
};

const write = (world: World): World => {
  const { primary, tokens, epoch, down } = world;
  if (down === primary) return world;
  const stamp = nextStamp(epoch, [tokens[primary].stamp]);
  return { ...world, tokens: { ...tokens, [primary]: { stamp, by: primary } } };
};

/** The mirror takes what it knows to be later, and keeps what the primary does not know of. */
const pull = (world: World): World => {
  const { primary, tokens, down, pulled, epoch } = world;
  const mirror = otherOf(primary);
  if (down !== undefined) return world;
  const isLater = relate(tokens[mirror].stamp, tokens[primary].stamp) === "behind";
  return {
    ...world,
    tokens: { ...tokens, [mirror]: isLater ? tokens[primary] : tokens[mirror] },
    pulled: { ...pulled, [mirror]: epoch },
  };
};

const failOver = (world: World): World => {
  const { primary, down, epoch } = world;
  return down === primary ? { ...world, primary: otherOf(primary), epoch: epoch + 1 } : world;
};

/** What `kubectl hsm mirror resolve` does: the primary writes one of the two, knowing of both. */
const resolve =
  (kept: "primary" | "mirror") =>
  (world: World): World => {
    const { primary, tokens, epoch, down } = world;
    if (down !== undefined) return world;
    const [mine, theirs] = [tokens[primary], tokens[otherOf(primary)]];
    if (!["diverged", "behind"].includes(relate(mine.stamp, theirs.stamp))) return world;
    const stamp = nextStamp(epoch, [mine.stamp, theirs.stamp]);
    const by = kept === "primary" ? primary : otherOf(primary);
    return { ...world, tokens: { ...tokens, [primary]: { stamp, by } } };
  };

const ACTIONS: Record<string, (world: World) => World> = {
  sync: step,
  "sync whose status is lost": (world) => step(world, "status"),
  write,
  pull,
  "the primary goes": (world) => ({ ...world, down: world.down ?? world.primary }),
  "the mirror goes": (world) => ({ ...world, down: world.down ?? otherOf(world.primary) }),
  "it is back": (world) => ({ ...world, down: undefined }),
  failover: failOver,
  "keep the primary's": resolve("primary"),
  "keep the mirror's": resolve("mirror"),
};

const faultAtRest = ({ data, applied, tokens, primary, status }: World): string | undefined => {
  const token = tokens[primary];
  if (data !== undefined && isOf(data, token)) {
    return status.syncStatus === "InSync" ? undefined : `rests at ${String(status.lastError)}`;
  }
  if (applied !== undefined && includes(token.stamp, applied.stamp)) {
    return "rests without what the primary has";
  }
  return "conflict" in status ? undefined : `rests without a conflict: ${String(status.lastError)}`;
};

t.test(
  "no interleaving rolls a Secret back, and what the primary knows of is applied in the end",
  async (t) => {
    const keyOf = (world: World): string => JSON.stringify(world);
    const settles = convergenceCheck({ keyOf, next: step, faultAtRest, rounds: 6 });
    const first: Token = { stamp: { epoch: 1, version: 1, history: [] }, by: "A" };
    const start: World = {
      ...{ tokens: { A: first, B: first }, primary: "A", epoch: 1, pulled: { A: 1, B: 1 }, down: undefined },
      ...{ data: undefined, annotations: {}, status: {}, applied: undefined },
    };
    const { states, failures } = explore({
      starts: [{ world: start, path: [] }],
      actsOf: (world) => Object.entries(ACTIONS).map(([name, act]) => [name, () => act(world)]),
      keyOf,
      faultOf: (world) => settles({ ...world, down: undefined }),
      depth: 8,
    });
    t.same(failures.slice(0, 5), []);
    t.comment(`${states} states`);
    t.ok(states > 5000, "the search went somewhere");
  },
);
