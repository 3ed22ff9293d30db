// SPDX-License-Identifier: Apache-2.0
// Model-checks the sync hook: every interleaving, up to a depth, of token changes, outages, edits of the Secret and of the
// spec, foreign Secrets and syncs, against Metacontroller's server-side apply with field ownership and its habit of
// skipping equal answers.
import t from "tap";
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { convergenceCheck } from "../convergence.ts";
import { depthOf } from "../deep-models.ts";
import { idOf, idOfText } from "../interned.ts";
import { plan, sync } from "./hooks.ts";
import {
  absent,
  base64,
  context,
  foreign,
  found,
  request,
  secret,
  UID,
  unavailable,
  unchanged,
} from "./request.ts";

const DEPTH = depthOf(7, 8);
const MARK = "hsm.j5t.io/replaced-resource-version";
const OWNER = `k:${JSON.stringify({ uid: UID })}`;

/** The child of an answer, as far as the model looks at it. */
interface Child {
  readonly data: StringMap;
  readonly metadata: { readonly labels: StringMap; readonly annotations?: StringMap };
}

/** What the spec asks for beside its defaults. */
interface Spec {
  readonly onMissing: "Retain" | "Delete";
  readonly label: boolean;
  readonly mapped: boolean;
}

/** Our Secret in the cluster: each key's value (base64) and who owns it. */
interface Cluster {
  readonly label: boolean;
  readonly version: number;
  readonly annotations: StringMap;
  readonly keys: Readonly<Record<string, { readonly value: string; readonly owners: readonly string[] }>>;
}

interface World {
  readonly token: "a" | "b" | "absent";
  readonly outage: boolean;
  readonly spec: Spec;
  readonly generation: number;
  readonly secret: Cluster | undefined;
  /** Somebody else's Secret has the name. */
  readonly foreign: boolean;
  /** The answer's child as Metacontroller last applied it. */
  readonly applied: string | undefined;
  readonly status: Record<string, unknown> | undefined;
  readonly clock: number;
}

const CONTENT: Record<"a" | "b", StringMap> = { a: { password: "one", user: "ada" }, b: { password: "two" } };

const shown = (cluster: Cluster): Secret =>
  secret(
    {},
    {
      resourceVersion: String(cluster.version),
      labels: {
        "app.kubernetes.io/managed-by": "keyswitch",
        "controller-uid": UID,
        ...(cluster.label && { team: "x" }),
      },
      annotations: cluster.annotations,
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

/** Server-side apply by Metacontroller, with force: what differs becomes its own, what it drops loses it as an owner. */
const apply = (before: Cluster | undefined, { data, metadata }: Child, clock: number): Cluster => {
  const keys: Record<string, { value: string; owners: string[] }> = {};
  for (const [key, { value, owners }] of Object.entries(before?.keys ?? {})) {
    const wanted = data[key];
    const others = owners.filter((owner) => owner !== "metacontroller");
    if (wanted === undefined) {
      if (others.length > 0 || !owners.includes("metacontroller")) keys[key] = { value, owners: others };
    } else if (wanted !== value) keys[key] = { value: wanted, owners: ["metacontroller"] };
    else keys[key] = { value, owners: [...others, "metacontroller"] };
  }
  for (const [key, value] of Object.entries(data)) keys[key] ??= { value, owners: ["metacontroller"] };
  const label = metadata.labels.team !== undefined;
  return { version: clock, label, keys, annotations: metadata.annotations ?? {} };
};

const inOrder = (data: StringMap): string => JSON.stringify(Object.entries(data).sort());
const contentOf = ({ spec }: World, token: "a" | "b"): string =>
  inOrder(base64(spec.mapped ? { key: CONTENT[token].password ?? "" } : CONTENT[token]));
const dataOf = (world: World): string | undefined => world.secret && inOrder(shown(world.secret).data ?? {});

const specOf = ({ onMissing, label, mapped }: Spec): HSMSecretSpec => ({
  onMissing,
  ...(label && { template: { labels: { team: "x" } } }),
  ...(mapped && { data: [{ key: "key", hsmKey: "password" }] }),
});

const read = (world: World, ifNoneMatch: string | undefined): Reading => {
  if (world.outage) return unavailable;
  if (world.token === "absent") return absent;
  const reading = found(CONTENT[world.token]);
  return context.checksums.fits(ifNoneMatch, reading.checksum) ? unchanged : reading;
};

/** One sync; throws where an answer breaks an invariant. */
const step = (world: World): World => {
  const input = request({
    spec: specOf(world.spec),
    metadata: { generation: world.generation },
    owned: world.secret === undefined ? [] : [shown(world.secret)],
    ...(world.foreign ? { related: foreign({ theirs: "1" }) } : {}),
    ...(world.status === undefined ? {} : { status: world.status }),
  });
  const planned = plan(input, context);
  if (planned.read === world.foreign) throw new Error("the token is read exactly if the name is free");
  const reading = planned.read ? read(world, planned.ifNoneMatch) : undefined;
  const { response } = sync(input, context, reading);
  const [child] = response.children as unknown as [Child?];
  if (world.foreign && child !== undefined) throw new Error("a foreign Secret is in the answer");
  const clock = world.clock + 1;
  const next = { ...world, status: response.status, clock };
  if (world.secret !== undefined && child === undefined) {
    if (reading?.outcome !== "absent" || world.spec.onMissing !== "Delete") {
      throw new Error(`the Secret is removed after ${reading?.outcome}`);
    }
    return { ...next, secret: undefined, applied: undefined };
  }
  if (response.status?.syncStatus === "InSync") {
    const held = dataOf(world);
    if (world.outage || world.token === "absent" || held !== contentOf(world, world.token)) {
      throw new Error(`the status is InSync with ${held} while the token holds ${world.token}`);
    }
  }
  if (child === undefined) return next;
  if (world.outage) {
    for (const [key, { value }] of Object.entries(world.secret?.keys ?? {})) {
      if (child.data[key] !== value) throw new Error(`an outage changes ${key}`);
    }
  }
  const bytes = JSON.stringify(child);
  if (world.secret !== undefined && bytes === world.applied) return next;
  const applied = apply(world.secret, child, clock);
  const same =
    world.secret !== undefined &&
    JSON.stringify({ ...applied, version: 0 }) === JSON.stringify({ ...world.secret, version: 0 });
  return { ...next, secret: same ? world.secret : applied, applied: bytes };
};

/** An edit of the spec. */
const respec = (world: World, change: Partial<Spec>): World => ({
  ...world,
  spec: { ...world.spec, ...change },
  generation: world.generation + 1,
});

/** An edit by hand: the key becomes kubectl's. */
const edit = (world: World, key: string, value: string | undefined): World => {
  if (world.secret === undefined) return world;
  const { [key]: _, ...rest } = world.secret.keys;
  const keys = value === undefined ? rest : { ...rest, [key]: { value, owners: ["kubectl-edit"] } };
  const clock = world.clock + 1;
  return { ...world, clock, secret: { ...world.secret, version: clock, keys } };
};

const ACTIONS: Record<string, (world: World) => World> = {
  sync: step,
  "token a": (world) => ({ ...world, token: "a" }),
  "token b": (world) => ({ ...world, token: "b" }),
  "token absent": (world) => ({ ...world, token: "absent" }),
  "outage begins or ends": (world) => ({ ...world, outage: !world.outage }),
  "edit password": (world) => edit(world, "password", "ZWRpdGVk"),
  "delete password": (world) => edit(world, "password", undefined),
  "add extra": (world) => edit(world, "extra", "eA=="),
  "add empty extra": (world) => edit(world, "extra", ""),
  "delete the Secret": (world) => ({ ...world, secret: undefined }),
  "take the label off": (world) => ({
    ...world,
    clock: world.clock + 1,
    secret: world.secret && { ...world.secret, label: false, version: world.clock + 1 },
  }),
  "somebody makes a Secret": (world) => (world.secret === undefined ? { ...world, foreign: true } : world),
  "somebody removes theirs": (world) => ({ ...world, foreign: false }),
  "spec: the other onMissing": (world) =>
    respec(world, { onMissing: world.spec.onMissing === "Retain" ? "Delete" : "Retain" }),
  "spec: label on or off": (world) => respec(world, { label: !world.spec.label }),
  "spec: mapping on or off": (world) => respec(world, { mapped: !world.spec.mapped }),
  // Metacontroller forgets what it applied.
  "restart the engine": (world) => ({ ...world, applied: undefined }),
};

const MARKED = /(replaced-resource-version\\?":\\?")(\d+)/;

/** A status without the generation that it speaks of. */
const statusText = (status: Record<string, unknown>): string =>
  JSON.stringify({ ...status, observedGeneration: 0 });

/** A Secret without its versions. */
const secretText = ({ label, keys, annotations }: Cluster): string =>
  JSON.stringify([
    label,
    Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)),
    { ...annotations, [MARK]: annotations[MARK] === undefined ? "none" : "some" },
  ]);

/** The world with its versions renamed by rank: only which of them are equal matters. */
const canonical = ({ token, outage, spec, generation, secret, foreign, applied, status }: World): string => {
  const versions = [String(secret?.version ?? ""), secret?.annotations[MARK] ?? ""];
  versions.push(applied?.match(MARKED)?.[2] ?? "");
  const ranks = [...new Set(versions)].sort((a, b) => Number(a) - Number(b));
  return [
    token,
    outage,
    foreign,
    spec.onMissing,
    spec.label,
    spec.mapped,
    status?.observedGeneration === generation,
    status && idOf(status, statusText),
    secret && idOf(secret, secretText),
    applied && idOfText(applied.replace(MARKED, "$1")),
    ...versions.map((version) => ranks.indexOf(version)),
  ].join();
};

const faultAtRest = (world: World): string | undefined => {
  if (world.foreign) return world.status?.syncStatus === "Error" ? undefined : "no Conflict in the status";
  if (world.token === "absent") {
    return world.spec.onMissing === "Delete" && world.secret !== undefined
      ? "absent, but still there"
      : undefined;
  }
  const data = dataOf(world);
  const wanted = contentOf(world, world.token);
  if (world.status?.syncStatus !== "InSync") return `rests at ${world.status?.syncStatus}`;
  if (world.secret?.label !== world.spec.label) return "rests with the wrong labels";
  return data === wanted ? undefined : `rests at ${data} while the token holds ${wanted}`;
};

/** Once the token is healthy and everybody is quiet, a few syncs make the Secret what the token says, and then rest. */
const settles = convergenceCheck({ keyOf: canonical, next: step, faultAtRest, rounds: 6 });

t.test("no interleaving loses the Secret, lies about it, or keeps it from settling", async (t) => {
  const start: World = {
    token: "a",
    outage: false,
    spec: { onMissing: "Retain", label: false, mapped: false },
    generation: 1,
    secret: undefined,
    foreign: false,
    applied: undefined,
    status: undefined,
    clock: 1,
  };
  const seen = new Set<string>();
  let frontier: { world: World; path: string[] }[] = [{ world: step(step(start)), path: [] }];
  const failures: string[] = [];
  for (let depth = 0; depth <= DEPTH; depth += 1) {
    const next: typeof frontier = [];
    for (const { world, path } of frontier) {
      try {
        const fault = settles({ ...world, outage: false });
        if (fault !== undefined) failures.push(`${path.join(", ")}: ${fault}`);
        if (depth === DEPTH) continue;
        for (const [name, act] of Object.entries(ACTIONS)) {
          const after = act(world);
          if (after === world) continue;
          const key = canonical(after);
          if (seen.has(key)) continue;
          seen.add(key);
          next.push({ world: after, path: [...path, name] });
        }
      } catch (error) {
        failures.push(`${path.join(", ")}: ${String(error)}`);
      }
    }
    frontier = next;
  }
  t.same(failures.slice(0, 5), []);
  t.comment(`${seen.size} states, every interleaving of up to ${DEPTH} steps`);
  t.ok(seen.size > 50_000, "the search went somewhere");
});
