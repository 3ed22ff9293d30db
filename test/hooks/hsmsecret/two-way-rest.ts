// SPDX-License-Identifier: Apache-2.0
// Checks the states in which the two-way sync's model comes to rest.
import type { StringMap } from "../../../hooks/kubernetes.ts";
import { convergenceCheck } from "../convergence.ts";
import {
  areEqual,
  canonical,
  pairOf,
  readyReason,
  secretSays,
  text,
  tokenSays,
  type World,
} from "./two-way-state.ts";
import { choose, secretUser, tokenUser } from "./two-way-users.ts";
import { step } from "./two-way-world.ts";

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

/** Whether the Secret says too little to be written: the message says what is missing. */
const isShort = (rest: World): boolean => {
  const said = Object.keys(secretSays(rest) ?? {}).length;
  const lacksMapped = rest.token === undefined && said < (rest.spec.data ?? []).length;
  return lacksMapped || text(secretSays(rest)) === "[]";
};

/** What is wrong with where a world that is quiet has come to rest. */
const faultOfRest = (rest: World): string | undefined => {
  const reason = readyReason(rest.status);
  if (reason === "Synced" && rest.memory.torn !== undefined) return "the Secret is never told of a write";
  if (reason === "Synced") return areEqual(rest) ? undefined : `Synced with ${pairOf(rest)}`;
  if (reason === "ObjectNotFound" && rest.token === undefined) {
    const mustGo = rest.spec.onMissing === "Delete";
    return mustGo && rest.secret !== undefined ? "absent, but still there" : undefined;
  }
  if (reason === "WriteBackFailed" && isShort(rest)) return undefined;
  if (reason !== "Conflict") return `rests at ${String(reason)} with ${pairOf(rest)}`;
  return faultOfChoice(rest, "hsm") ?? faultOfChoice(rest, "secret");
};

/** What is wrong after the user has chosen a side. */
const faultOfChoice = (rest: World, choice: "hsm" | "secret"): string | undefined => {
  const asked = quiet(choose(rest, undefined));
  const chosen = asked && quiet(choose(asked, choice));
  if (chosen === undefined) return `never rests after ${choice} was chosen`;
  if (choice === "secret" && isShort(rest)) return undefined;
  return faultOfWinner(rest, choice, chosen) ?? faultOfLeftOver(choice, chosen);
};

const faultOfWinner = (rest: World, choice: "hsm" | "secret", chosen: World): string | undefined => {
  const isAbsent = choice === "hsm" && rest.token === undefined;
  const reason = readyReason(chosen.status);
  if (reason !== (isAbsent ? "ObjectNotFound" : "Synced")) {
    return `rests at ${String(reason)} after ${choice} was chosen`;
  }
  if (isAbsent) return undefined;
  // Under a mapping the token may have more: keys that were taken out of the Secret.
  const won = (choice === "hsm" ? tokenSays(rest) : secretSays(rest)) ?? {};
  const now = tokenSays(chosen) ?? {};
  const kept = Object.entries(won).every(([key, value]) => now[key] === value);
  const more = Object.keys(now).length > Object.keys(won).length && rest.spec.data === undefined;
  return !kept || more || !areEqual(chosen)
    ? `${choice} was chosen and the contents are ${pairOf(chosen)}`
    : undefined;
};

/** The annotation that is left over must not decide the next conflict. */
const faultOfLeftOver = (choice: "hsm" | "secret", chosen: World): string | undefined => {
  if (chosen.secret === undefined) return undefined;
  const shown = quiet(secretUser(tokenUser(chosen, LATER), spareKey(chosen), "bGF0ZXIy"));
  return shown === undefined || readyReason(shown.status) !== "Conflict"
    ? `a left-over ${choice} decides the next conflict`
    : undefined;
};

/** Where the user has not to choose, both sides are equal once it is quiet; where he has, either choice makes them so. */
export const createConvergenceCheck = (): ((world: World) => string | undefined) => {
  const settles = convergenceCheck({ keyOf: canonical, next: step, faultAtRest: faultOfRest, rounds: 11 });
  return (world) => settles({ ...world, outage: false });
};

const LATER: StringMap = { password: "bGF0ZXI=", user: "bGF0ZXI=" };
const spareKey = ({ spec }: World): string => spec.data?.[0]?.key ?? "password";
