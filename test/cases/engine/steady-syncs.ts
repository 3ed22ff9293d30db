// SPDX-License-Identifier: Apache-2.0
// Keeps up syncs at a steady pace and records the results of their hooks, for what must go unnoticed.
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "../../../scripts/control-plane/client.ts";
import { KINDS } from "../../../scripts/local/kinds.ts";
import type { Stack } from "../../../scripts/local/stack.ts";

export type SteadySyncs = {
  /** Ends them, and answers with how many there were asked for. @throws Error if one could not be asked for */
  end(): Promise<number>;
};

/** An annotation means nothing to us: the sync asks the agent whether the content changed, and writes nothing. */
const TICK = "example.com/tick";

/**
 * Changes the HSMSecrets `names` of `namespace` in turn, one every `paceMs`; Metacontroller syncs each that was changed. One
 * whose last request the API server has not answered yet loses its turn.
 */
export const startSteadySyncs = (
  client: KubeClient,
  { namespace, names }: { namespace: string; names: readonly string[] },
  paceMs: number,
): SteadySyncs => {
  let ended = false;
  const pending = new Map<string, Promise<void>>();
  let asked = 0;
  const failures: string[] = [];
  const ask = async (name: string, round: number) => {
    asked += 1;
    const body = JSON.stringify({ metadata: { annotations: { [TICK]: String(round) } } });
    const patch = { contentType: "application/merge-patch+json", body } as const;
    const answer = await client.patch(KINDS.HSMSecret, { namespace, name }, patch);
    pending.delete(name);
    if (!answer.ok) failures.push(`PATCH HSMSecret ${name}: HTTP ${answer.status} ${answer.reason}`);
  };
  const begin = performance.now();
  const work = async () => {
    for (let round = 0; !ended; round += 1) {
      const name = names[round % names.length] ?? "";
      if (!pending.has(name)) pending.set(name, ask(name, round));
      await sleep(Math.max(0, begin + (round + 1) * paceMs - performance.now()));
    }
    await Promise.all(pending.values());
  };
  const working = work();
  return {
    end: async () => {
      ended = true;
      await working;
      if (failures.length > 0) throw new Error(`${failures.length} failed: ${failures[0]}`);
      return asked;
    },
  };
};

/** What the engine says where a hook was not answered, or was refused. */
const HOOK_FAULT =
  /x509|tls: |remote error|unsupported status code|remote status|connection refused|hook failed/i;
/** Metacontroller ends the calls that are under way when it starts a controller anew, and makes them again. */
const ENDED_ITSELF = /context canceled/;

export type HookAnswers = {
  /** Hooks that were answered with 200. */
  readonly answered: number;
  /** How many got each other status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Lines of the engine's log that tell of a hook without an answer. */
  readonly faults: readonly string[];
};

const countsOf = async (stack: Stack): Promise<Map<string, number>> => {
  const { body } = await stack.call("webhook", "/metrics");
  const counts = new Map<string, number>();
  for (const [, status = "", count] of body.matchAll(
    /^keyswitch_http_requests_total\{route="\/hooks\/[^"]*",status="(\d+)"\} (\d+)$/gm,
  )) {
    counts.set(status, (counts.get(status) ?? 0) + Number(count));
  }
  return counts;
};

/** Counts from now: the answer tells what came of the hooks since. */
export const countHookAnswers = async (stack: Stack): Promise<() => Promise<HookAnswers>> => {
  const before = await countsOf(stack);
  const from = stack.logs().length;
  return async () => {
    const grown = [...(await countsOf(stack))]
      .map(([status, count]) => [status, count - (before.get(status) ?? 0)] as const)
      .filter(([, count]) => count > 0);
    return {
      answered: grown.find(([status]) => status === "200")?.[1] ?? 0,
      refused: Object.fromEntries(grown.filter(([status]) => status !== "200")),
      faults: stack
        .logs()
        .slice(from)
        .filter((line) => HOOK_FAULT.test(line) && !ENDED_ITSELF.test(line)),
    };
  };
};

/** @throws Error if a hook was refused, or not answered */
export const refuseRefusals = ({ refused, faults }: HookAnswers): void => {
  if (Object.keys(refused).length > 0 || faults.length > 0) {
    throw new Error(`hooks were refused: ${JSON.stringify(refused)}; ${faults.slice(0, 3).join("; ")}`);
  }
};
