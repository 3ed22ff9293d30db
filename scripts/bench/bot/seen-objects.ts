// SPDX-License-Identifier: Apache-2.0
// Records from a watch of the API server when objects of a kind reach an awaited state.
import { createKubeClient, type KubeObject } from "../../control-plane/client.ts";

export type SeenObjects = {
  /** When the first change from now on for which `check` holds came in: on the clock of performance.now(). */
  when(check: (object: KubeObject) => boolean): Promise<number>;
  close(): Promise<void>;
};

/** @throws Error when the API server does not know the kind, or can't be watched */
export const watchObjects = async (
  apiUrl: string,
  apiVersion: string,
  plural: string,
): Promise<SeenObjects> => {
  const client = createKubeClient(apiUrl, "bench");
  const known = await client.resources(apiVersion);
  const resource = known.ok ? known.value.find((one) => one.plural === plural) : undefined;
  if (resource === undefined) throw new Error(`there are no ${plural}`);
  const listed = await client.list(resource);
  if (!listed.ok) throw new Error(`${plural} can't be listed`);
  const waiting = new Set<(object: KubeObject, at: number) => void>();
  const closing = new AbortController();
  const ended = client.watch(resource, {
    resourceVersion: listed.value.resourceVersion,
    signal: closing.signal,
    onEvent: ({ object }) => {
      const at = performance.now();
      for (const look of waiting) look(object, at);
    },
    onVersion: () => {},
  });
  return {
    when: (check) =>
      new Promise((resolve) => {
        const look = (object: KubeObject, at: number) => {
          if (!check(object)) return;
          waiting.delete(look);
          resolve(at);
        };
        waiting.add(look);
      }),
    async close() {
      closing.abort();
      await ended;
      await client.close();
    },
  };
};
