// SPDX-License-Identifier: Apache-2.0
// Rotates credentials with scripts/credentials.sh while real Metacontroller syncs without a pause, and checks that no hook is
// refused.
import { randomBytes } from "node:crypto";
import { rotate } from "../../test/cases/engine/rotation.ts";
import {
  countHookAnswers,
  type HookAnswers,
  refuseRefusals,
  startSteadySyncs,
} from "../../test/cases/engine/steady-syncs.ts";
import { createKubeClient, type KubeClient } from "../control-plane/client.ts";
import type { Stack } from "../local/stack.ts";
import type { Step } from "../tour-step.ts";

const NAMESPACE = "rotation";
const OBJECTS = 50;
/** Of the asking, 50 times a second. */
const PACE_MS = 20;
/** The script's waits for Metacontroller last as long as it says. */
const settleMs = (seconds: number): number => seconds * 1000;

const names = Array.from({ length: OBJECTS }, (_, index) => `secret-${index + 1}`);

const makeObjects = async (stack: Stack, seconds: number): Promise<void> => {
  const items = names.map((name) => ({
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name, namespace: NAMESPACE },
    spec: { syncInterval: 3600 },
  }));
  for (const name of names) {
    await stack.token.put(`secrets/${NAMESPACE}/${name}`, { key: randomBytes(12).toString("hex") });
  }
  await stack.kubectl(["create", "namespace", NAMESPACE]);
  await stack.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await areReady(stack, seconds);
};

const areReady = ({ kubectl }: Stack, seconds: number) =>
  kubectl(["wait", "-n", NAMESPACE, "hsmsecrets", "--all", "--for=condition=Ready", `--timeout=${seconds}s`]);

/** Rotates the tokens, and then the certificates under a new CA. */
const rotateAll = async (stack: Stack): Promise<void> => {
  for (const step of ["add", "use", "drop"]) await rotate(stack, ["--rotate-tokens", step], settleMs);
  await rotate(stack, ["--rotate", "--only", "tls", "--san", "127.0.0.1"], settleMs);
};

/** Rotates while syncs are asked for, and answers with what came of their hooks, how many were asked for, and in how long. */
const underLoad = async (
  stack: Stack,
  client: KubeClient,
): Promise<{ counted: HookAnswers; asked: number; seconds: number }> => {
  const answers = await countHookAnswers(stack);
  const begin = performance.now();
  const syncs = startSteadySyncs(client, { namespace: NAMESPACE, names }, PACE_MS);
  let asked = 0;
  try {
    await rotateAll(stack);
  } finally {
    asked = await syncs.end();
  }
  await stack.idle();
  return { counted: await answers(), asked, seconds: (performance.now() - begin) / 1000 };
};

const rotationStep = async (stack: Stack, seconds: number): Promise<string> => {
  const client = createKubeClient(stack.urls.api, "test");
  try {
    await makeObjects(stack, seconds);
    const { counted, asked, seconds: took } = await underLoad(stack, client);
    refuseRefusals(counted);
    await areReady(stack, seconds);
    const rate = (counted.answered / took).toFixed(0);
    return `${counted.answered} hooks (${rate}/s) for ${asked} changes in ${took.toFixed(0)} s, 0 refused`;
  } finally {
    await client.close();
    await stack.kubectl.try(["delete", "namespace", NAMESPACE, "--wait=false"]);
  }
};

/** The step; it waits `seconds` at most for the HSMSecrets to become ready. */
export const rotationUnderLoad = (stack: Stack, seconds: number): Step => ({
  title: `no hook is refused while credentials rotate under ${1000 / PACE_MS} changes a second`,
  run: () => rotationStep(stack, seconds),
});
