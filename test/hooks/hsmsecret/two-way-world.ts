// SPDX-License-Identifier: Apache-2.0
// Runs one sync of the two-way model with the real hooks, and with everything that can go wrong in it.
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { FailedWrite, Reading, Write } from "../../../hooks/hsmsecret/index.ts";
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { applied } from "./cluster-keys.ts";
import { plan, planWrite, sync, writtenBack } from "./hooks.ts";
import { context, request, unavailable } from "./request.ts";
import { checkStatus, refuseLoss, remembered, shownBy, untorn } from "./two-way-memory.ts";
import {
  areEqual,
  BASE,
  type Cluster,
  type Held,
  MARK,
  pairOf,
  secretSays,
  shownSecret,
  sorted,
  text,
  tokenSays,
  type World,
} from "./two-way-state.ts";
import { meantime, tokenUser } from "./two-way-users.ts";

const RESOLVE = "hsm.j5t.io/resolve";

/** Where a sync ends early. */
export const LOST = ["status lost", "apply lost"] as const;
/** What happens to a write. */
export const AT_WRITE = [
  "answer of the write lost",
  "write cut off",
  "token changes before the write",
] as const;
export type Mishap = (typeof LOST)[number] | (typeof AT_WRITE)[number];

/** What a healthy or absent token answers. */
export const readToken = (world: World, ifNoneMatch: string | undefined): Reading => {
  if (world.outage) return unavailable;
  if (world.token === undefined) return { outcome: "absent", device: "pico" };
  const { data, source } = world.token;
  const checksum = checksumOfBase64(data);
  if (context.checksums.fits(ifNoneMatch, checksum)) return { outcome: "unchanged", device: "pico" };
  return {
    outcome: "found",
    data,
    checksum,
    version: 1,
    device: "pico",
    ...(source === undefined ? {} : { source }),
  };
};

/** What the token holds after `write`, or undefined where its precondition fails. */
const writeToken = (token: Held | undefined, write: Write): Held | undefined => {
  const before = token && checksumOfBase64(token.data);
  if (before !== write.ifMatch) return undefined;
  const data = write.method === "patch" ? { ...token?.data, ...write.data } : write.data;
  return { data, source: write.source };
};

/** Server-side apply by Metacontroller. */
const apply = (before: Cluster | undefined, child: Child, clock: number): Cluster => ({
  uid: before?.uid ?? `uid-${clock}`,
  version: clock,
  annotations: { ...child.metadata.annotations },
  keys: applied(before?.keys ?? {}, child.data),
});

/** The child of an answer, as far as this world looks at it. */
interface Child {
  readonly data: StringMap;
  readonly metadata: { readonly annotations?: StringMap };
}

const inputOf = (world: World) =>
  request({
    spec: world.spec,
    metadata: world.resolve === undefined ? {} : { annotations: { [RESOLVE]: world.resolve } },
    owned: world.secret === undefined ? [] : [shownSecret(world.secret)],
    ...(world.status === undefined ? {} : { status: world.status }),
  });

/** The hook's wishes for one sync, asked of the real hooks. `read` and `write` are what a token comes to. */
export interface Asked {
  readonly reading: Reading | undefined;
  readonly write: Write | undefined;
}

/** Plans the reading of a sync, has it done, and plans the write. */
export const ask = (world: World, read: (ifNoneMatch: string | undefined) => Reading): Asked => {
  const input = inputOf(world);
  const planned = plan(input, context);
  const reading = planned.read ? read(planned.ifNoneMatch) : undefined;
  return { reading, write: planWrite(input, context, reading) };
};

/** The world after a write that was let through to the token. */
const landed = (world: World, write: Write, after: Held): World => {
  refuseLoss(world, "token");
  if (world.token !== undefined && sorted(world.token.data) === sorted(after.data)) {
    throw new Error("the same content is written again");
  }
  if (checksumOfBase64(after.data) !== write.checksum) throw new Error("another checksum than promised");
  const { common, torn = { common, token: text(tokenSays(world)) } } = world.memory;
  const next = { ...world, token: after };
  if (!areEqual(next) && next.spec.data === undefined) throw new Error("the write is not the Secret");
  // What is common from here on; a mapped key that the Secret lacks is put back.
  return remembered({ ...next, memory: { ...next.memory, common: text(tokenSays(next)), torn } });
};

/** The world after `write`, and what the webhook takes for its failure. */
const written = (start: World, write: Write, mishap?: Mishap): { world: World; failure?: FailedWrite } => {
  const isLate = mishap === "token changes before the write";
  const world = isLate ? tokenUser(start, meantime(start)) : start;
  const after = writeToken(world.token, write);
  if (after === undefined) return { world, failure: { outcome: "precondition" } };
  if (mishap === "write cut off") return { world, failure: INTERRUPTED };
  const done = landed(world, write, after);
  return mishap === "answer of the write lost" ? { world: done, failure: INTERRUPTED } : { world: done };
};

/** One sync after `ask`; throws where it breaks an invariant. */
export const answer = (start: World, { reading, write }: Asked, mishap?: Mishap): World => {
  const { world, failure } =
    write === undefined ? { world: start, failure: undefined } : written(start, write, mishap);
  if (write !== undefined && failure === undefined) {
    writtenBack(inputOf(start), context, write);
    return world;
  }
  const { response } = sync(inputOf(start), context, reading, failure);
  checkStatus(start, reading, response.status);
  const isLost = mishap === "status lost";
  const status = isLost ? world.status : response.status;
  const memory = isLost ? world.memory : shownBy(world, status);
  const next = { ...world, clock: world.clock + 1, status, memory };
  if (mishap === "apply lost") return next;
  const [child] = response.children as unknown as [Child?];
  if (child === undefined) return world.secret === undefined ? next : removed(world, next, reading);
  const after = withApplied({ start, world, next, reading }, child);
  const isSeen = reading?.outcome === "found" || reading?.outcome === "unchanged";
  return isSeen ? remembered(after) : after;
};

/** The Secret goes, since the answer leaves it out. */
const removed = (world: World, next: World, reading: Reading | undefined): World => {
  if (reading?.outcome !== "absent" || world.spec.onMissing !== "Delete") {
    throw new Error(`the Secret is removed after ${reading?.outcome}`);
  }
  refuseLoss(world, "secret");
  return { ...next, secret: undefined, applied: undefined, memory: untorn(next.memory) };
};

/** The worlds of one sync: as it began, after its write, and with the status that was answered. */
interface Stages {
  readonly start: World;
  readonly world: World;
  readonly next: World;
  readonly reading: Reading | undefined;
}

/** The answer's child is applied, unless Metacontroller skips it. */
const withApplied = ({ start, world, next, reading }: Stages, child: Child): World => {
  const before = world.secret;
  const bytes = JSON.stringify(child);
  if (before !== undefined && bytes === world.applied) return next;
  const cluster = apply(before, child, next.clock);
  const after = { ...next, secret: cluster, applied: bytes };
  if (before === undefined) return after;
  if (text(secretSays(after)) !== text(secretSays(world))) checkChange(start, world, after);
  const { memory } = next;
  const isSame =
    JSON.stringify([cluster.keys, cluster.annotations]) === JSON.stringify([before.keys, before.annotations]);
  const accepts = reading?.outcome === "absent" && memory.chosen === "hsm" && memory.shown === pairOf(world);
  const accepted = text(secretSays(world));
  const told = [BASE, MARK].some((name) => cluster.annotations[name] !== before.annotations[name]);
  return {
    ...after,
    secret: isSame ? before : cluster,
    memory: { ...(told ? untorn(memory) : memory), ...(accepts && { accepted }) },
  };
};

/** Fails where what the Secret says is changed and must not be. */
const checkChange = (start: World, world: World, after: World): void => {
  if (start.outage) throw new Error("an outage changes the Secret");
  // Under a mapping, what is only put back takes nothing away.
  const now = secretSays(after) ?? {};
  const kept = Object.entries(secretSays(world) ?? {}).every(([key, value]) => now[key] === value);
  if (world.spec.data === undefined || !kept) refuseLoss(world, "secret");
};

const INTERRUPTED: FailedWrite = {
  outcome: "unavailable",
  code: "WRITE_UNCERTAIN",
  message: "The write was cut off.",
};

/** One whole sync of the model, token included. */
export const step = (world: World, mishap?: Mishap): World =>
  answer(
    world,
    ask(world, (ifNoneMatch) => readToken(world, ifNoneMatch)),
    mishap,
  );

/** Every sync that `world` can have next, by what goes wrong in it. */
export const syncs = (world: World): [string, () => World][] => {
  const asked = ask(world, (ifNoneMatch) => readToken(world, ifNoneMatch));
  const mishaps = [undefined, ...(asked.write === undefined ? LOST : AT_WRITE)];
  return mishaps.map((mishap) => [
    mishap === undefined ? "sync" : `sync, ${mishap}`,
    () => answer(world, asked, mishap),
  ]);
};
