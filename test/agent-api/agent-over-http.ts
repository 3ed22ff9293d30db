// SPDX-License-Identifier: Apache-2.0
// Sends requests to a running agent for tests: one read, and /healthz all the time.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { AgentProcess } from "../agent/pkcs11/token-fixture.ts";

const Coded = Type.Object({ code: Type.String() });

/** A read over HTTP as `200`, or status and code; with the time it took in milliseconds. */
export const read = async (agent: AgentProcess, path: string) => {
  const from = performance.now();
  const response = await fetch(`${agent.url}/v1/secrets/${path}`);
  const body: unknown = await response.json();
  const code = Value.Check(Coded, body) ? ` ${body.code}` : "";
  return {
    said: `${response.status}${code}`,
    ms: performance.now() - from,
    retryAfter: Number(response.headers.get("retry-after") ?? Number.NaN),
  };
};

/** Asks /healthz all the time until the answer is called, which gives the longest time an answer took. */
export const watchHealth = (agent: AgentProcess): (() => Promise<{ longestMs: number; count: number }>) => {
  let watching = true;
  const watched = (async () => {
    let longestMs = 0;
    let count = 0;
    while (watching) {
      const from = performance.now();
      const { status } = await fetch(`${agent.url}/healthz`);
      if (status !== 200) throw new Error(`healthz said ${status}`);
      longestMs = Math.max(longestMs, performance.now() - from);
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { longestMs, count };
  })();
  return () => {
    watching = false;
    return watched;
  };
};
