// SPDX-License-Identifier: Apache-2.0
// One Toggle at the API server: read, and patched in its spec, on condition that it has not changed if one is given.

import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { DNS_SUBDOMAIN } from "../../hooks/kubernetes.ts";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import type { ApiFailure } from "./api-failure.ts";
import type { ApiAnswer, KubernetesClient } from "./client.ts";
import { FIELD_MANAGER } from "./last-switch.ts";
import { readToggle } from "./toggle-memory.ts";
import type { ToggleFailure, TogglePatch, ToggleResult } from "./toggles.ts";

/** `.` and `..` and whatever else would make another path of it is no name. */
const Name = Type.String({ pattern: DNS_SUBDOMAIN, maxLength: 253 });

/** Writers that get in between one after the other: more than these are no race. */
const MAX_ATTEMPTS = 5;

export type ToggleRequests = {
  get(name: string): Promise<ToggleResult>;
  patch(name: string, patch: TogglePatch, ifGeneration?: number): Promise<ToggleResult>;
};

export type ToggleRequestsOptions = {
  readonly client: KubernetesClient;
  /** Of the collection, without a query. */
  readonly path: string;
  readonly namespace: string;
  readonly logger: Logger;
  /** As the watch has it, which may be old. */
  readonly remembered?: (name: string) => Toggle | undefined;
  /** A request had no answer; `what` completes "the API server …". */
  readonly onUnanswered?: (what: string) => void;
};

const WHY: Readonly<Record<ApiFailure["kind"], ToggleFailure>> = {
  "not-found": "not-found",
  forbidden: "forbidden",
  conflict: "unavailable",
  gone: "not-found",
  refused: "refused",
  unavailable: "unavailable",
};

/** Whether the spec is as the patch makes it. Without enabled nobody has switched yet, which is neither on nor off. */
export const isApplied = ({ spec }: Pick<Toggle, "spec">, patch: TogglePatch): boolean =>
  spec.enabled === patch.enabled &&
  (spec.until ?? null) === patch.until &&
  spec.requestedBy === patch.requestedBy &&
  spec.reason === patch.reason;

const failed = (why: ToggleFailure): ToggleResult => ({ ok: false, why });

/** The fields of a patch one by one: whatever else the object may carry is not sent. */
const specOf = ({ enabled, until, requestedBy, reason }: TogglePatch) => ({
  enabled,
  until,
  requestedBy,
  reason,
});

export const createToggleRequests = (options: ToggleRequestsOptions): ToggleRequests => {
  const { client, path, namespace, logger } = options;

  const resultOf = (name: string, answer: ApiAnswer): ToggleResult => {
    if (!answer.ok) {
      if (answer.kind !== "not-found")
        logger.warn({ toggle: name, fault: answer.what }, "the API server did not do as it was asked");
      if (answer.status === 0) options.onUnanswered?.(answer.what);
      return failed(WHY[answer.kind]);
    }
    const toggle = readToggle(answer.body, namespace);
    if (toggle?.metadata.name === name) return { ok: true, toggle };
    logger.warn({ toggle: name }, "the API server answered something that is not the Toggle");
    return failed("unavailable");
  };

  const get = (name: string) => client.request({ verb: "get", path: `${path}/${name}` });
  const send = (name: string, mergePatch: object) =>
    client.request({ verb: "patch", path: `${path}/${name}?fieldManager=${FIELD_MANAGER}`, mergePatch });

  /** A plain patch sets the same fields whenever it is done, so it may be sent again. */
  const patchAnyway = async (name: string, spec: object): Promise<ToggleResult> => {
    for (let count = 1; ; count += 1) {
      const answer = await send(name, { spec });
      const mayRepeat = !answer.ok && (answer.kind === "conflict" || (answer.stale && count === 1));
      if (!mayRepeat || count === MAX_ATTEMPTS) return resultOf(name, answer);
    }
  };

  /**
   * The generation can't be a condition of a patch, but metadata.resourceVersion in it is one (409 where it has changed:
   * https://github.com/kubernetes/kubernetes/issues/63104, and "Concurrency control and consistency" in
   * https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md). A status that was written
   * meanwhile changes the version and not the generation: then it is tried again. A JSON patch with `test` would need no
   * reading, but its failure is a 422, as that of an invalid spec is.
   *
   * What the watch remembers saves the first reading: where it is old, the version does not fit.
   */
  const patchIf = async (name: string, patch: TogglePatch, generation: number): Promise<ToggleResult> => {
    let isKnown = true;
    for (let count = 1; ; count += 1) {
      const remembered = count === 1 ? options.remembered?.(name)?.metadata : undefined;
      let resourceVersion = remembered?.generation === generation ? remembered.resourceVersion : undefined;
      if (resourceVersion === undefined) {
        const read = resultOf(name, await get(name));
        if (!read.ok) return isKnown ? read : failed("unavailable");
        const { metadata } = read.toggle;
        if (metadata.generation !== generation) {
          if (isKnown) return failed("changed");
          return isApplied(read.toggle, patch) ? read : failed("unavailable");
        }
        resourceVersion = metadata.resourceVersion;
      }
      const answer = await send(name, { metadata: { resourceVersion }, spec: specOf(patch) });
      if (answer.ok || count === MAX_ATTEMPTS) return resultOf(name, answer);
      if (answer.kind === "conflict") continue;
      // Whether the API server read it before the connection went is seen from the Toggle.
      if (!answer.stale || !isKnown) return resultOf(name, answer);
      isKnown = false;
    }
  };

  return {
    async get(name) {
      return Value.Check(Name, name) ? resultOf(name, await get(name)) : failed("not-found");
    },
    async patch(name, patch, ifGeneration) {
      if (!Value.Check(Name, name)) return failed("not-found");
      return ifGeneration === undefined
        ? patchAnyway(name, specOf(patch))
        : patchIf(name, patch, ifGeneration);
    },
  };
};
