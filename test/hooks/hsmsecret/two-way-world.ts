// SPDX-License-Identifier: Apache-2.0
// Models the two-way sync's state: a token, a Secret under server-side apply, a status, the users of both sides, and their
// updates, to detect one that was lost. The hooks in it are the real ones.

import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import { baseOf } from "../../../hooks/hsmsecret/base.ts";
import type { FailedWrite, Reading, Write } from "../../../hooks/hsmsecret/index.ts";
import { isUnedited, ownedSecretOf } from "../../../hooks/hsmsecret/observed.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { convergenceCheck } from "../convergence.ts";
import { plan, planWrite, sync, writtenBack } from "./hooks.ts";
import { context, request, secret, UID, unavailable } from "./request.ts";

const OWNER = `k:${JSON.stringify({ uid: UID })}`;
const MARK = "hsm.j5t.io/replaced-resource-version";
const BASE = "hsm.j5t.io/base";
const RESOLVE = "hsm.j5t.io/resolve";

/** What the token holds at the path: base64 values, and the note of the last writer that left one. */
export interface Held {
  readonly data: StringMap;
  readonly source?: string;
}

/** Our Secret in the cluster: each key's value (base64) and who owns it. */
interface Cluster {
  readonly uid: string;
  readonly version: number;
  readonly annotations: StringMap;
  readonly keys: Readonly<Record<string, { readonly value: string; readonly owners: readonly string[] }>>;
}

/** What is remembered to tell whether an update was lost; no hook sees it. */
interface Memory {
  /** The content that the two sides last had in common: what differs from it is an update that is on its way. */
  readonly common: string;
  /** What the Secret says although the token holds nothing, since the user has chosen that. */
  readonly accepted?: string;
  /** The two contents for which a Conflict was last shown, and what the user chose after that. */
  readonly shown?: string;
  readonly chosen?: string;
  /** A write has landed and the Secret has not been told yet: what was common, and on the token, before it. */
  readonly torn?: { readonly common: string; readonly token: string };
}

export interface World {
  readonly spec: HSMSecretSpec;
  readonly token: Held | undefined;
  readonly outage: boolean;
  readonly secret: Cluster | undefined;
  /** The answer's child as Metacontroller last applied it. */
  readonly applied: string | undefined;
  readonly status: Record<string, unknown> | undefined;
  readonly resolve: string | undefined;
  readonly clock: number;
  readonly memory: Memory;
}

/** Where a sync ends early. */
export const LOST = ["status lost", "apply lost"] as const;
/** What happens to a write. */
export const AT_WRITE = [
  "answer of the write lost",
  "write cut off",
  "token changes before the write",
] as const;
export type Mishap = (typeof LOST)[number] | (typeof AT_WRITE)[number];

export const begin = (spec: HSMSecretSpec, token: Held | undefined): World => ({
  spec: { ...spec, writeBack: "OnChange" },
  token,
  outage: false,
  secret: undefined,
  applied: undefined,
  status: undefined,
  resolve: undefined,
  clock: 1,
  memory: { common: "nothing" },
});

const shownSecret = (cluster: Cluster): Secret =>
  secret(
    {},
    {
      uid: cluster.uid,
      resourceVersion: String(cluster.version),
      annotations: { ...cluster.annotations },
      managedFields: ["metacontroller", "kubectl-edit"].map((manager) => ({
        manager,
        operation: manager === "metacontroller" ? "Apply" : "Update",
        fieldsV1: {
          "f:data": Object.fromEntries(
            Object.entries(cluster.keys)
              .filter(([, { owners }]) => owners.includes(manager))
              .map(([key]) => [`f:${key}`, {}]),
          ),
          ...(manager === "metacontroller" ? { "f:metadata": { "f:ownerReferences": { [OWNER]: {} } } } : {}),
        },
      })),
    },
    { data: Object.fromEntries(Object.entries(cluster.keys).map(([key, { value }]) => [key, value])) },
  );

const sorted = (data: StringMap): string => JSON.stringify(Object.entries(data).sort());

/** What the Secret says: its keys without those on their way out and, with a mapping, without those that have no place. */
const secretSays = ({ secret: cluster, spec }: World): StringMap | undefined => {
  if (cluster === undefined) return undefined;
  const names = spec.data?.map(({ key }) => key);
  const held = Object.entries(ownedSecretOf(shownSecret(cluster), {}).held.data);
  return Object.fromEntries(held.filter(([key]) => names === undefined || names.includes(key)));
};

/** What the token says, by the keys of the Secret. */
const tokenSays = ({ token, spec }: World): StringMap | undefined => {
  if (token === undefined || spec.data === undefined) return token?.data;
  const pairs = spec.data.map(({ key, hsmKey }) => [key, token.data[hsmKey]] as const);
  return Object.fromEntries(pairs.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
};

const text = (said: StringMap | undefined): string => (said === undefined ? "nothing" : sorted(said));
const pairOf = (world: World): string => `${text(tokenSays(world))} | ${text(secretSays(world))}`;
export const areEqual = (world: World): boolean => text(tokenSays(world)) === text(secretSays(world));

/**
 * `world` after Keyswitch has made the two sides the same, or found them so and written that down. That the users happen
 * to do so between two syncs is nothing that anybody has seen.
 */
const remembered = (world: World): World => {
  if (!areEqual(world)) return world;
  const told =
    world.secret === undefined ||
    isUnedited(ownedSecretOf(shownSecret(world.secret), {}), context.checksums) === true;
  const { torn } = world.memory;
  const open = told || torn === undefined ? {} : { torn };
  // While the status shows a Conflict, the choice in it holds, also where it comes to the same two contents once more.
  const { shown, chosen } = world.memory;
  const visible = { ...(shown !== undefined && { shown }), ...(chosen !== undefined && { chosen }) };
  return { ...world, memory: { common: text(tokenSays(world)), ...open, ...visible } };
};

/**
 * Whether a side says what it said before a write whose note is lost, because the token's user removed the secret: then
 * nobody can tell it from a write that never landed.
 */
const couldBeBefore = ({ token, memory: { torn } }: World, side: "secret" | "token", said: string): boolean =>
  token?.source === undefined && (said === torn?.common || (side === "token" && said === torn?.token));

/** Whether the token's user has changed it since the two sides were last the same. */
const tokenHasUpdate = (world: World): boolean => {
  const said = text(tokenSays(world));
  const { common, accepted } = world.memory;
  return said !== (accepted === undefined ? common : "nothing") && !couldBeBefore(world, "token", said);
};

/** The same of the Secret. With a mapping, a key that is taken out is put back: that is no update. */
const secretHasUpdate = (world: World): boolean => {
  const { common, accepted } = world.memory;
  const said = secretSays(world);
  if (said === undefined || text(said) === (accepted ?? common)) return false;
  if (couldBeBefore(world, "secret", text(said))) return false;
  if (world.spec.data === undefined || common === "nothing" || accepted !== undefined) return true;
  const before: [string, string][] = JSON.parse(common);
  return Object.entries(said).some(([key, value]) => !before.some(([k, v]) => k === key && v === value));
};

/** The user of the token writes or removes the secret; another writer's note stays with what it does not touch. */
export const tokenUser = (world: World, data: StringMap | undefined): World => {
  const source = world.token?.source;
  const token = data === undefined ? undefined : { data, ...(source === undefined ? {} : { source }) };
  return { ...world, token };
};

/** The user of the Secret sets or removes a key. */
export const secretUser = (world: World, key: string, value: string | undefined): World => {
  if (world.secret === undefined) return world;
  const { [key]: before, ...rest } = world.secret.keys;
  if (before?.value === value) return world;
  const keys = value === undefined ? rest : { ...rest, [key]: { value, owners: ["kubectl-edit"] } };
  const clock = world.clock + 1;
  return { ...world, clock, secret: { ...world.secret, version: clock, keys } };
};

/** The user deletes the Secret: whatever was in it is meant to go. */
export const deleteSecret = (world: World): World => ({
  ...world,
  secret: undefined,
  memory: untorn(world.memory),
});

/** The user sets or removes the annotation. It is a choice for the Conflict that was shown last, if that is still open. */
export const choose = (world: World, resolve: string | undefined): World => {
  const { chosen: _, ...memory } = world.memory;
  const meant = resolve !== undefined && memory.shown !== undefined;
  // Setting the value that is there already is no change that a cluster would notice.
  if (resolve === world.resolve) return world;
  return { ...world, resolve, memory: { ...memory, ...(meant ? { chosen: resolve } : {}) } };
};

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

/** Server-side apply by Metacontroller, with force: what differs becomes its own, what it drops loses it as an owner. */
const apply = (before: Cluster | undefined, child: Child, clock: number): Cluster => {
  const keys: Record<string, { value: string; owners: string[] }> = {};
  for (const [key, { value, owners }] of Object.entries(before?.keys ?? {})) {
    const wanted = child.data[key];
    const others = owners.filter((owner) => owner !== "metacontroller");
    if (wanted === undefined) {
      if (others.length > 0 || !owners.includes("metacontroller")) keys[key] = { value, owners: others };
    } else if (wanted !== value) keys[key] = { value: wanted, owners: ["metacontroller"] };
    else keys[key] = { value, owners: [...others, "metacontroller"] };
  }
  for (const [key, value] of Object.entries(child.data)) keys[key] ??= { value, owners: ["metacontroller"] };
  const annotations = { ...child.metadata.annotations };
  return { uid: before?.uid ?? `uid-${clock}`, version: clock, annotations, keys };
};

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

/** Fails where an update of the user of `side` is about to be overwritten without having been chosen against. */
const refuseLoss = (world: World, side: "token" | "secret"): void => {
  const { memory } = world;
  const winner = side === "token" ? "secret" : "hsm";
  const updated = side === "token" ? tokenHasUpdate(world) : secretHasUpdate(world);
  if (!updated || areEqual(world)) return;
  if (memory.shown === pairOf(world) && memory.chosen === winner) return;
  throw new Error(`an update of the ${side} is lost without a Conflict that was resolved against it`);
};

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

/** One sync after `ask`; throws where it breaks an invariant. */
export const answer = (start: World, { reading, write }: Asked, mishap?: Mishap): World => {
  let world = start;
  let failure: FailedWrite | undefined;
  if (write !== undefined) {
    if (mishap === "token changes before the write") world = tokenUser(world, meantime(world));
    const after = writeToken(world.token, write);
    if (after === undefined) failure = { outcome: "precondition" };
    else if (mishap === "write cut off") failure = INTERRUPTED;
    else {
      refuseLoss(world, "token");
      if (world.token !== undefined && sorted(world.token.data) === sorted(after.data))
        throw new Error("the same content is written again");
      if (checksumOfBase64(after.data) !== write.checksum) throw new Error("another checksum than promised");
      const { common, torn = { common, token: text(tokenSays(world)) } } = world.memory;
      world = { ...world, token: after };
      if (!areEqual(world) && world.spec.data === undefined) throw new Error("the write is not the Secret");
      // What is common from here on; a mapped key that the Secret lacks is put back.
      world = remembered({ ...world, memory: { ...world.memory, common: text(tokenSays(world)), torn } });
      if (mishap !== "answer of the write lost") {
        writtenBack(inputOf(start), context, write);
        return world;
      }
      failure = INTERRUPTED;
    }
  }
  const { response } = sync(inputOf(start), context, reading, failure);
  const [child] = response.children as unknown as [Child?];
  const clock = world.clock + 1;
  const status = mishap === "status lost" ? world.status : response.status;
  checkStatus(start, reading, response.status);
  const memory = mishap === "status lost" ? world.memory : shownBy(world, status);
  const next = { ...world, clock, status, memory };
  if (mishap === "apply lost") return next;
  if (world.secret !== undefined && child === undefined) {
    if (reading?.outcome !== "absent" || world.spec.onMissing !== "Delete")
      throw new Error(`the Secret is removed after ${reading?.outcome}`);
    refuseLoss(world, "secret");
    return { ...next, secret: undefined, applied: undefined, memory: untorn(next.memory) };
  }
  if (child === undefined) return next;
  const seen = reading?.outcome === "found" || reading?.outcome === "unchanged";
  const settled = (then: World): World => (seen ? remembered(then) : then);
  const bytes = JSON.stringify(child);
  if (world.secret !== undefined && bytes === world.applied) return settled(next);
  const applied = apply(world.secret, child, clock);
  const after = { ...next, secret: applied, applied: bytes };
  if (world.secret === undefined) return settled(after);
  if (text(secretSays(after)) !== text(secretSays(world))) {
    if (start.outage) throw new Error("an outage changes the Secret");
    // Under a mapping, what is only put back takes nothing away.
    const now = secretSays(after) ?? {};
    const kept = Object.entries(secretSays(world) ?? {}).every(([key, value]) => now[key] === value);
    if (world.spec.data === undefined || !kept) refuseLoss(world, "secret");
  }
  const same =
    JSON.stringify([applied.keys, applied.annotations]) ===
    JSON.stringify([world.secret.keys, world.secret.annotations]);
  const accepts = reading?.outcome === "absent" && memory.chosen === "hsm" && memory.shown === pairOf(world);
  const accepted = text(secretSays(world));
  const before = world.secret.annotations;
  const told = [BASE, MARK].some((name) => applied.annotations[name] !== before[name]);
  return settled({
    ...after,
    secret: same ? world.secret : applied,
    memory: { ...(told ? untorn(next.memory) : next.memory), ...(accepts && { accepted }) },
  });
};

const INTERRUPTED: FailedWrite = {
  outcome: "unavailable",
  code: "WRITE_UNCERTAIN",
  message: "The write was cut off.",
};

/** What the token's user writes in the middle of a sync. */
export const meantime = ({ token }: World): StringMap => {
  const value = token?.data.password === "bWVhbnRpbWU=" ? "YWdhaW4=" : "bWVhbnRpbWU=";
  return { password: value, user: value };
};

export const readyReason = (status: Record<string, unknown> | undefined): unknown => {
  const [ready] = (status?.conditions ?? []) as { reason?: unknown }[];
  return ready?.reason;
};

/** The status says nothing that is not so. */
const checkStatus = (
  world: World,
  reading: Reading | undefined,
  status: Record<string, unknown> | undefined,
): void => {
  const equal = areEqual(world) && secretHasNothingElse(world);
  if (status?.syncStatus === "InSync" && (world.outage || !equal || reading === undefined))
    throw new Error(`the status is InSync with ${pairOf(world)}`);
  if (readyReason(status) !== "Conflict") return;
  if (areEqual(world)) throw new Error("a Conflict between equal contents");
  if (world.memory.torn !== undefined || world.token === undefined) return;
  // Of a mapped key that was taken out nobody can tell what the rest looked like: beside a change of the token, a Conflict.
  const { common, accepted } = world.memory;
  const secretDiffers = text(secretSays(world)) !== (accepted ?? common);
  if (secretDiffers && tokenHasUpdate(world)) return;
  throw new Error(`a Conflict where one side alone has changed: ${pairOf(world)}`);
};

/** Whether the Secret has no key beside what it says. */
const secretHasNothingElse = (world: World): boolean =>
  world.secret !== undefined && sorted(shownSecret(world.secret).data ?? {}) === text(secretSays(world));

const shownBy = (world: World, status: Record<string, unknown> | undefined): Memory => {
  if (status?.conflict === undefined) {
    const { shown: _, ...rest } = withoutChoice(world.memory);
    return rest;
  }
  if (readyReason(status) !== "Conflict") return world.memory;
  const shown = pairOf(world);
  return shown === world.memory.shown ? world.memory : { ...withoutChoice(world.memory), shown };
};

const untorn = ({ torn: _, ...memory }: Memory): Memory => memory;

const withoutChoice = ({ chosen: _, ...memory }: Memory): Memory => memory;

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

/** The Secret's mark is only good for telling whether the token's note, and what was last applied, are of the same time. */
export const canonical = (world: World): string => {
  const { secret: cluster, token, applied, status, memory } = world;
  const mark = cluster?.annotations[MARK];
  const [uid, noted, agreed] = token?.source?.replace("keyswitch:", "").split("/") ?? [];
  const live = cluster !== undefined && uid === cluster.uid && noted === (mark ?? "");
  const appliedMark = applied?.match(/replaced-resource-version":"(\d+)"/)?.[1];
  return JSON.stringify([
    world.outage,
    world.resolve,
    memory,
    // No hook looks at what else is in a status, such as its messages.
    status && [readyReason(status), status.syncStatus, status.hsmChecksum, status.secretChecksum],
    status && [status.conflict, status.lastResolve],
    token && [sorted(token.data), live ? agreed : token.source === undefined],
    cluster && [Object.entries(cluster.keys).sort(), cluster.annotations[BASE], mark === undefined],
    appliedMark === mark ? applied?.replace(/replaced-resource-version":"\d+"/, "") : "",
  ]);
};

/** Has syncs come until nothing changes any more; undefined where that does not happen. */
const quiet = (world: World): World | undefined => {
  let now: World = { ...world, outage: false };
  let key = canonical(now);
  for (let round = 0; round < 10; round += 1) {
    const next = step(now);
    const nextKey = canonical(next);
    if (nextKey === key) return next;
    now = next;
    key = nextKey;
  }
  return undefined;
};

/** What is wrong with where a world that is quiet has come to rest. */
const faultOfRest = (rest: World): string | undefined => {
  const reason = readyReason(rest.status);
  if (reason === "Synced" && rest.memory.torn !== undefined) return "the Secret is never told of a write";
  if (reason === "Synced") return areEqual(rest) ? undefined : `Synced with ${pairOf(rest)}`;
  if (reason === "ObjectNotFound" && rest.token === undefined) {
    return rest.spec.onMissing === "Delete" && rest.secret !== undefined
      ? "absent, but still there"
      : undefined;
  }
  const empty = text(secretSays(rest)) === "[]";
  // What is not enough to be written: the message says what is missing.
  const said = Object.keys(secretSays(rest) ?? {}).length;
  const short = rest.token === undefined && said < (rest.spec.data ?? []).length;
  if (reason === "WriteBackFailed" && (empty || short)) return undefined;
  if (reason !== "Conflict") return `rests at ${String(reason)} with ${pairOf(rest)}`;
  for (const choice of ["hsm", "secret"]) {
    const asked = quiet(choose(rest, undefined));
    const chosen = asked && quiet(choose(asked, choice));
    if (chosen === undefined) return `never rests after ${choice} was chosen`;
    const won = (choice === "hsm" ? tokenSays(rest) : secretSays(rest)) ?? {};
    if (choice === "secret" && (empty || short)) continue;
    const absent = choice === "hsm" && rest.token === undefined;
    if (readyReason(chosen.status) !== (absent ? "ObjectNotFound" : "Synced"))
      return `rests at ${String(readyReason(chosen.status))} after ${choice} was chosen`;
    // Under a mapping the token may have more: keys that were taken out of the Secret.
    const now = tokenSays(chosen) ?? {};
    const kept = Object.entries(won).every(([key, value]) => now[key] === value);
    const more = Object.keys(now).length > Object.keys(won).length && rest.spec.data === undefined;
    if (!absent && (!kept || more || !areEqual(chosen)))
      return `${choice} was chosen and the contents are ${pairOf(chosen)}`;
    // The annotation that is left over must not decide the next conflict.
    const again = secretUser(tokenUser(chosen, LATER), spareKey(chosen), "bGF0ZXIy");
    const shown = quiet(again);
    if (chosen.secret !== undefined && (shown === undefined || readyReason(shown.status) !== "Conflict"))
      return `a left-over ${choice} decides the next conflict`;
  }
  return undefined;
};

/** Where the user has not to choose, both sides are equal once it is quiet; where he has, either choice makes them so. */
export const createConvergenceCheck = (): ((world: World) => string | undefined) => {
  const settles = convergenceCheck({ keyOf: canonical, next: step, faultAtRest: faultOfRest, rounds: 11 });
  return (world) => settles({ ...world, outage: false });
};

const LATER: StringMap = { password: "bGF0ZXI=", user: "bGF0ZXI=" };
const spareKey = ({ spec }: World): string => spec.data?.[0]?.key ?? "password";

/** Whether the Secret carries a base at all: a world without it would show nothing. */
export const hasBase = (world: World): boolean =>
  world.secret !== undefined && baseOf(shownSecret(world.secret)) !== undefined;
