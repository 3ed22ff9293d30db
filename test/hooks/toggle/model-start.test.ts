// SPDX-License-Identifier: Apache-2.0
// Model-checks starts: every interleaving, up to a depth, of switches, templates, pods that come, go, crash and lack their image, time,
// crashes of the engine, and syncs. Whatever happened, a start that gets no further becomes Degraded and then rests.
import t from "tap";
import type { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { depthOf } from "../deep-models.ts";
import { explore } from "../exploring.ts";
import { sync } from "./hooks.ts";
import { check } from "./model-state.ts";
import { ended, pod, running as runs, waiting } from "./pods.ts";
import { context, deployment, request } from "./request.ts";
import { at } from "./start.ts";

const DEPTH = depthOf(5, 7);
const TIMEOUT = 600;
/** What passes at once: less than a start may take, and more than half of it. */
const PAUSE = 400;

interface World {
  /** Seconds since the beginning. */
  readonly now: number;
  readonly on: boolean;
  /** Of the Deployment; its controller has seen the one before where `seen` is not it. */
  readonly generation: number;
  readonly seen: number;
  readonly replicas: number;
  readonly up: number;
  /** When the last pod came up. */
  readonly upAt: number;
  readonly trouble: "none" | "image" | "crash";
  readonly status: ToggleStatus | undefined;
  /** When the engine was asked to look again. */
  readonly wake: number | undefined;
  /** When the start that is under way can have begun at the earliest. */
  readonly began: number;
}

const start: World = {
  now: 0,
  on: true,
  generation: 1,
  seen: 1,
  replicas: 2,
  up: 2,
  upAt: 0,
  trouble: "none",
  status: undefined,
  wake: undefined,
  began: 0,
};

const podsOf = ({ replicas, up, upAt, trouble }: World) =>
  Array.from({ length: replicas }, (_, index) => {
    const name = `web-b-${index}`;
    const crashed = trouble === "crash" ? { restarts: 6, lastState: ended(1) } : {};
    if (index < up) return pod({ name, ready: true, state: runs(at(upAt)), ...crashed });
    const reason = { none: "ContainerCreating", image: "ErrImagePull", crash: "CrashLoopBackOff" }[trouble];
    return pod({ name, state: waiting(reason), ...crashed });
  });

const requestOf = (world: World) => {
  const { on, generation, seen, replicas, up, status } = world;
  const report = { observedGeneration: seen, replicas, updatedReplicas: replicas, readyReplicas: up };
  return request({
    spec: { enabled: on },
    owned: [deployment(replicas, { generation }, { ...report, availableReplicas: up })],
    pods: podsOf(world),
    ...(status !== undefined && { status }),
  });
};

/** What each sync must keep to. */
const checkStatus = (world: World, status: ToggleStatus, resync: number | undefined): void => {
  const { phase, message = "" } = status;
  const isLate = /No progress since/.test(message);
  check(!isLate || phase === "Degraded", `late and ${phase}`);
  check(!isLate || world.now - world.began >= TIMEOUT, `late after ${world.now - world.began} s`);
  check(
    phase !== "Starting" || (resync !== undefined && resync <= TIMEOUT),
    `Starting, and looked at after ${resync}`,
  );
  check(phase !== "Running" || world.up === world.replicas, `Running with ${world.up}`);
  check((phase === "Starting") <= (status.progress !== undefined), `${phase} without progress`);
  check(
    (phase === "Running" || phase === "Off") <= (status.progress === undefined),
    `${phase} with progress`,
  );
};

/** One sync; the second look at the same world says the same. */
const step = (world: World, isWritten = true): World => {
  const now = { ...context, now: at(world.now), startTimeoutSeconds: TIMEOUT };
  const { response } = sync(requestOf(world), now);
  const status: ToggleStatus = response.status ?? {};
  const { resyncAfterSeconds: resync } = response;
  checkStatus(world, status, resync);
  const again = sync(requestOf({ ...world, status }), now).response;
  const last = sync(requestOf({ ...world, status: again.status ?? {} }), now).response;
  check(JSON.stringify(last) === JSON.stringify(again), "it changes by itself");
  const [child] = response.children as { spec: { replicas: number } }[];
  const replicas = child?.spec.replicas ?? world.replicas;
  const isScaled = replicas !== world.replicas;
  return {
    ...world,
    ...(isWritten && { status }),
    ...(isScaled && { replicas, generation: world.generation + 1, up: Math.min(world.up, replicas) }),
    ...(isScaled && { began: world.now }),
    wake: resync === undefined ? undefined : world.now + resync,
  };
};

/** Time passes, and the engine looks when it was asked to. */
const pass = (world: World, seconds: number): World => {
  const end = world.now + seconds;
  let now = world;
  while (now.wake !== undefined && now.wake <= end) now = step({ ...now, now: now.wake });
  return { ...now, now: end };
};

const ACTIONS: Record<string, (world: World) => World> = {
  sync: (world) => step(world),
  "sync, and die before the status is written": (world) => step(world, false),
  "time passes": (world) => pass(world, PAUSE),
  "switch on or off": (world) => ({ ...world, on: !world.on }),
  "change the template": (world) => ({ ...world, generation: world.generation + 1, began: world.now }),
  "the Deployment's controller looks": (world) => ({ ...world, seen: world.generation }),
  "a pod comes up": (world) =>
    world.up < world.replicas && world.seen === world.generation
      ? { ...world, up: world.up + 1, upAt: world.now }
      : world,
  "a pod goes down": (world) => (world.up > 0 ? { ...world, up: world.up - 1 } : world),
  "an image is missing": (world) => ({ ...world, trouble: "image" }),
  "pods crash": (world) => ({ ...world, trouble: "crash" }),
};

/** What is wrong with a world in which nothing happens any more: all has been told, and nobody is asked to look again. */
const faultOfRest = (world: World): string | undefined => {
  let rested = step(step({ ...world, seen: world.generation }));
  rested = step({ ...rested, seen: rested.generation });
  rested = pass(rested, TIMEOUT + PAUSE);
  const { on, up, replicas, status, trouble } = rested;
  const expected = !on ? (up === 0 ? "Off" : "Stopping") : up === replicas ? "Running" : "Degraded";
  if (status?.phase !== expected) return `rests in ${status?.phase} and not ${expected}`;
  if (rested.wake !== undefined) return "asks for another look";
  const told = status?.problem?.split(":")[0];
  const why = { none: "ContainerCreating", image: "ImagePullBackOff", crash: "CrashLoopBackOff" }[trouble];
  if (expected === "Degraded" ? told !== why : told !== undefined) return `says ${told} in ${expected}`;
  const later = step(pass(rested, 1e5));
  return JSON.stringify(later.status) === JSON.stringify(status) ? undefined : "does not rest";
};

for (const [name, world] of [
  ["up", start],
  ["off", { ...start, on: false, replicas: 0, up: 0 }],
  ["at 0 and to be started", { ...start, replicas: 0, up: 0 }],
] as const) {
  t.test(`a Toggle that is ${name}: no interleaving hides a start that gets no further`, async (t) => {
    const found = explore<World>({
      starts: [{ world, path: [] }],
      actsOf: (now) => Object.entries(ACTIONS).map(([action, act]) => [action, () => act(now)]),
      keyOf: (now) => JSON.stringify(now),
      faultOf: faultOfRest,
      depth: DEPTH,
    });
    t.comment(`${found.states} states`);
    t.same(found.failures.slice(0, 5), []);
    t.ok(found.states > 1000, `${found.states} states`);
  });
}
