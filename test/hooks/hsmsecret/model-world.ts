// SPDX-License-Identifier: Apache-2.0
// Defines the world of the sync's model check: a token, its outages, and a Secret with field ownership that users edit.
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { idOf, idOfText } from "../interned.ts";
import { applied, dataOf, edited, type Keys, managedFieldsOf } from "./cluster-keys.ts";
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

const MARK = "hsm.j5t.io/replaced-resource-version";

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

/** Our Secret in the cluster. */
interface Cluster {
  readonly label: boolean;
  readonly version: number;
  readonly annotations: StringMap;
  readonly keys: Keys;
}

export interface World {
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

/** An HSMSecret that has just been made, for a token that holds `a`. */
export const START: World = {
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
      managedFields: managedFieldsOf(cluster.keys),
    },
    { data: dataOf(cluster.keys) },
  );

const inOrder = (data: StringMap): string => JSON.stringify(Object.entries(data).sort());
const contentOf = ({ spec }: World, token: "a" | "b"): string =>
  inOrder(base64(spec.mapped ? { key: CONTENT[token].password ?? "" } : CONTENT[token]));
const heldBy = (world: World): string | undefined => world.secret && inOrder(shown(world.secret).data ?? {});

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
export const step = (world: World): World => {
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
  const next = { ...world, status: response.status, clock: world.clock + 1 };
  if (world.secret !== undefined && child === undefined) return removed(world, next, reading);
  if (response.status?.syncStatus === "InSync") checkInSync(world);
  if (child === undefined) return next;
  if (world.outage) checkOutage(world, child);
  return withApplied(next, child);
};

/** Only a token that has lost the secret takes it away, and only where the spec wants that. */
const removed = ({ spec }: World, next: World, reading: Reading | undefined): World => {
  if (reading?.outcome !== "absent" || spec.onMissing !== "Delete") {
    throw new Error(`the Secret is removed after ${reading?.outcome}`);
  }
  return { ...next, secret: undefined, applied: undefined };
};

const checkInSync = (world: World): void => {
  const held = heldBy(world);
  if (world.outage || world.token === "absent" || held !== contentOf(world, world.token)) {
    throw new Error(`the status is InSync with ${held} while the token holds ${world.token}`);
  }
};

const checkOutage = ({ secret: cluster }: World, child: Child): void => {
  for (const [key, { value }] of Object.entries(cluster?.keys ?? {})) {
    if (child.data[key] !== value) throw new Error(`an outage changes ${key}`);
  }
};

/** Metacontroller skips an answer that it has applied, and a server keeps the version where nothing differs. */
const withApplied = (next: World, child: Child): World => {
  const { secret: before, clock } = next;
  const { data, metadata } = child;
  const bytes = JSON.stringify(child);
  if (before !== undefined && bytes === next.applied) return next;
  const after = {
    version: clock,
    label: metadata.labels.team !== undefined,
    keys: applied(before?.keys ?? {}, data),
    annotations: metadata.annotations ?? {},
  };
  const isSame =
    before !== undefined &&
    JSON.stringify({ ...after, version: 0 }) === JSON.stringify({ ...before, version: 0 });
  return { ...next, secret: isSame ? before : after, applied: bytes };
};

/** An edit of the spec. */
const respec = (world: World, change: Partial<Spec>): World => ({
  ...world,
  spec: { ...world.spec, ...change },
  generation: world.generation + 1,
});

/** An edit by hand. */
const edit = (world: World, key: string, value: string | undefined): World => {
  if (world.secret === undefined) return world;
  const clock = world.clock + 1;
  const keys = edited(world.secret.keys, key, value);
  return { ...world, clock, secret: { ...world.secret, version: clock, keys } };
};

/** All that can happen. */
export const ACTIONS: Record<string, (world: World) => World> = {
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
export const canonical = ({
  token,
  outage,
  spec,
  generation,
  secret,
  foreign,
  applied,
  status,
}: World): string => {
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

/** What is wrong with a world that is its own next one. */
export const faultAtRest = (world: World): string | undefined => {
  if (world.foreign) return world.status?.syncStatus === "Error" ? undefined : "no Conflict in the status";
  if (world.token === "absent") {
    return world.spec.onMissing === "Delete" && world.secret !== undefined
      ? "absent, but still there"
      : undefined;
  }
  const data = heldBy(world);
  const wanted = contentOf(world, world.token);
  if (world.status?.syncStatus !== "InSync") return `rests at ${world.status?.syncStatus}`;
  if (world.secret?.label !== world.spec.label) return "rests with the wrong labels";
  return data === wanted ? undefined : `rests at ${data} while the token holds ${wanted}`;
};
