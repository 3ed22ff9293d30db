// SPDX-License-Identifier: Apache-2.0
// How fast new HSMSecrets become Ready, beside the parents of a trivial hook on the same engine in the same run.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { createKubeClient, type KubeClient, type ResourceInfo } from "../control-plane/client.ts";
import { eventually } from "../local/eventually.ts";
import { KINDS } from "../local/kinds.ts";
import type { Stack } from "../local/stack.ts";
import { startTrivialHook, trivials } from "./trivial-hook.ts";

const COUNT = 200;
const NAMESPACE = "ready-rate";
/** Objects are made by so many at once. */
const LANES = 10;
/** The longest that all may take. */
const SECONDS = 300;
/** A listing of all takes processor that both would rather have. */
const PACE_MS = 250;

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

/** Makes COUNT objects, and answers with how many became Ready in a second, from the first one's creation to the last one's Ready. */
const rateOf = async (client: KubeClient, resource: ResourceInfo): Promise<number> => {
  const { apiVersion, kind } = resource;
  const left = Array.from({ length: COUNT }, (_, index) => `${kind.toLowerCase()}-${index}`);
  const begin = performance.now();
  const lane = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const metadata = { name, namespace: NAMESPACE };
      const spec = kind === "HSMSecret" ? { hsmPath: pathOf(name), syncInterval: 3600 } : {};
      const made = await client.create(resource, { apiVersion, kind, metadata, spec }, NAMESPACE);
      if (!made.ok) throw new Error(`${kind} ${name} was not made: HTTP ${made.status}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const allAre = async () => {
    const listed = await client.list(resource, NAMESPACE);
    return listed.ok && listed.value.items.filter(isReady).length === COUNT;
  };
  await eventually(`${COUNT} ${kind}s are Ready`, allAre, { seconds: SECONDS, paceMs: PACE_MS });
  return COUNT / ((performance.now() - begin) / 1000);
};

const pathOf = (name: string): string => `secrets/${NAMESPACE}/${name}`;

/** Measures both, in turn, and says what came out. */
export const readyRateStep = async (stack: Stack): Promise<string> => {
  const { kubectl, token } = stack;
  const client = createKubeClient(stack.urls.api, "test");
  await kubectl(["create", "namespace", NAMESPACE]);
  const stop = await startTrivialHook(kubectl);
  try {
    const keys = { username: "app", password: "x".repeat(32) };
    for (let index = 0; index < COUNT; index += 1) await token.put(pathOf(`hsmsecret-${index}`), keys);
    await kubectl(["apply", "-f", "-"], WARM_UP);
    await eventually(
      "the trivial hook is called",
      async () => {
        const one = await client.get(trivials, { namespace: NAMESPACE, name: "warm-up" });
        return one.ok && isReady(one.value);
      },
      { seconds: 60 },
    );
    await kubectl(["delete", "-f", "-"], WARM_UP);
    const trivial = await rateOf(client, trivials);
    const ours = await rateOf(client, KINDS.HSMSecret);
    const ratio = (ours / trivial).toFixed(2);
    return `${COUNT} HSMSecrets of 2 keys: ${ours.toFixed(1)}/s; a trivial hook's: ${trivial.toFixed(1)}/s; ${ratio} of it`;
  } finally {
    await kubectl.try(["delete", "hsmsecrets,trivials", "--all", "-n", NAMESPACE, "--timeout=120s"]);
    await stop();
    await kubectl.try(["delete", "namespace", NAMESPACE, "--wait=false"]);
    await client.close();
  }
};

const WARM_UP = JSON.stringify({
  apiVersion: trivials.apiVersion,
  kind: trivials.kind,
  metadata: { name: "warm-up", namespace: NAMESPACE },
});
