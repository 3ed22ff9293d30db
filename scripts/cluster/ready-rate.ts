// SPDX-License-Identifier: Apache-2.0
// Measures how fast new HSMSecrets become Ready, beside the parents of a trivial hook on the same engine in the same run.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  createKubeClient,
  type KubeClient,
  type ResourceInfo,
  type WatchEvent,
} from "../control-plane/client.ts";
import { eventually } from "../local/eventually.ts";
import { KINDS } from "../local/kinds.ts";
import type { Stack } from "../local/stack.ts";
import { startTrivialHook, type TrivialHooks, trivials } from "./trivial-hook.ts";

const COUNT = 200;
/** Objects are made by so many at once. */
const LANES = 10;
/** The longest that all may take. */
const SECONDS = 300;
const WithConditions = Type.Object({
  status: Type.Object({
    conditions: Type.Array(Type.Object({ type: Type.String(), status: Type.String() })),
  }),
});

const isReady = (object: unknown): boolean => {
  if (!Value.Check(WithConditions, object)) return false;
  const { status }: Static<typeof WithConditions> = object;
  return status.conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
};

/** Calls `onReady` with the name of each object in `namespace` that becomes Ready, until `signal` is aborted. */
const followReady = async (
  client: KubeClient,
  resource: ResourceInfo,
  { namespace, signal, onReady }: { namespace: string; signal: AbortSignal; onReady: (name: string) => void },
): Promise<void> => {
  // A kind that is new is served after a moment.
  const resourceVersion = await eventually(`${resource.plural} are listed`, async () => {
    const listed = await client.list(resource, namespace);
    return listed.ok && listed.value.resourceVersion;
  });
  const onEvent = ({ object }: WatchEvent) => {
    const { name, namespace: place } = object.metadata;
    if (name !== undefined && place === namespace && isReady(object)) onReady(name);
  };
  void client.watch(resource, { resourceVersion, signal, onEvent, onVersion: () => {} });
};

type Batch = { readonly namespace: string; readonly count: number };

/** Makes a batch, and answers with how many became Ready in a second, from the first one's creation to the last one's Ready. */
const timeBatch = async (
  client: KubeClient,
  resource: ResourceInfo,
  { namespace, count }: Batch,
): Promise<number> => {
  const { apiVersion, kind } = resource;
  const left = Array.from({ length: count }, (_, index) => `${kind.toLowerCase()}-${index}`);
  const waited = new Set(left);
  const watching = new AbortController();
  const onReady = (name: string) => waited.delete(name);
  await followReady(client, resource, { namespace, signal: watching.signal, onReady });
  const begin = performance.now();
  const lane = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const spec = kind === "HSMSecret" ? { hsmPath: pathOf(namespace, name), syncInterval: 3600 } : {};
      const object = { apiVersion, kind, metadata: { name, namespace }, spec };
      const made = await client.create(resource, object, namespace);
      if (!made.ok) throw new Error(`${kind} ${name} was not made: HTTP ${made.status}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await eventually(`${count} ${kind}s are Ready`, async () => waited.size === 0, { seconds: SECONDS });
  watching.abort();
  return count / ((performance.now() - begin) / 1000);
};

/** The same in a namespace of its own, which is gone afterwards. */
const rateOf = async (stack: Stack, resource: ResourceInfo, batch: Batch): Promise<number> => {
  const client = createKubeClient(stack.urls.api, "test");
  await stack.kubectl(["create", "namespace", batch.namespace]);
  try {
    return await timeBatch(client, resource, batch);
  } finally {
    await client.close();
    await stack.kubectl.try(["delete", "namespace", batch.namespace, "--timeout=120s"]);
  }
};

/** The rate of a trivial hook's parents. */
const trivialRate = async (stack: Stack, hooks: TrivialHooks): Promise<number> => {
  const stop = await startTrivialHook(stack.kubectl, hooks);
  try {
    // Metacontroller has read the new controller when the first of its parents is Ready.
    await rateOf(stack, trivials, { namespace: `ready-first-${hooks}`, count: 1 });
    return await rateOf(stack, trivials, { namespace: `ready-trivial-${hooks}`, count: COUNT });
  } finally {
    await stop();
  }
};

const pathOf = (namespace: string, name: string): string => `secrets/${namespace}/${name}`;

/** Measures each in turn, and says what came out. */
export const readyRateStep = async (stack: Stack): Promise<string> => {
  const namespace = "ready-rate";
  const keys = { username: "app", password: "x".repeat(32) };
  for (let index = 0; index < COUNT; index += 1) {
    await stack.token.put(pathOf(namespace, `hsmsecret-${index}`), keys);
  }
  const bare = await trivialRate(stack, "sync");
  const ours = await rateOf(stack, KINDS.HSMSecret, { namespace, count: COUNT });
  const alike = await trivialRate(stack, "all");
  const beside = (rate: number) => `${rate.toFixed(1)}/s, ${(ours / rate).toFixed(2)} of it`;
  return `${COUNT} HSMSecrets of 2 keys: ${ours.toFixed(1)}/s; a trivial hook with customize and finalize: ${beside(alike)}; with sync alone: ${beside(bare)}`;
};
