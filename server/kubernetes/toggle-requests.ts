// SPDX-License-Identifier: Apache-2.0
// Reads one Toggle from the API server and patches its spec, where a generation is given only if it is unchanged.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Logger } from "pino";
import { DNS_SUBDOMAIN, MAX_NAME } from "../../hooks/formats.ts";
import type { Toggle } from "../../hooks/toggle/schema.ts";
import { rfc3339 } from "../time.ts";
import type { ApiFailure } from "./api-failure.ts";
import type { ApiAnswer, KubernetesClient } from "./client.ts";
import { FIELD_MANAGER } from "./last-switch.ts";
import { readToggle } from "./toggle-cache.ts";
import type { ToggleFailure, TogglePatch, ToggleResult } from "./toggles.ts";

/** `.` and `..` and whatever else would make another path of it is no name. */
const Name = Type.String({ pattern: DNS_SUBDOMAIN, maxLength: MAX_NAME });

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
  /** Milliseconds since the epoch. */
  readonly wallClock?: () => number;
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
export const isApplied = ({ spec }: Pick<Toggle, "spec">, patch: TogglePatch): boolean => {
  if (patch.restartAt !== undefined) return spec.restartAt === patch.restartAt;
  if (patch.enabled === undefined) return spec.until === patch.until;
  return (
    spec.enabled === patch.enabled &&
    (spec.until ?? null) === patch.until &&
    spec.requestedBy === patch.requestedBy &&
    spec.reason === patch.reason
  );
};

const failed = (why: ToggleFailure): ToggleResult => ({ ok: false, why });

/** What a patch makes of the spec. */
type SpecPatch =
  | { restartAt: string }
  | { until: string }
  | (Pick<TogglePatch, "enabled" | "until" | "requestedBy" | "reason"> & { requestedAt?: string });

/** A patch that is made only while the Toggle has the generation. */
type ConditionalPatch = {
  readonly name: string;
  readonly patch: TogglePatch;
  readonly spec: SpecPatch;
  readonly generation: number;
};

/** What a reading before a conditional patch came to: the version that it is made on, or how it ends. */
type Reading = { readonly version: string | undefined } | { readonly end: ToggleResult };

class ApiToggles implements ToggleRequests {
  readonly #options: ToggleRequestsOptions;

  constructor(options: ToggleRequestsOptions) {
    this.#options = options;
  }

  async get(name: string): Promise<ToggleResult> {
    return Value.Check(Name, name) ? this.#read(name) : failed("not-found");
  }

  async patch(name: string, patch: TogglePatch, ifGeneration?: number): Promise<ToggleResult> {
    if (!Value.Check(Name, name)) return failed("not-found");
    return ifGeneration === undefined
      ? this.#patchAnyway(name, this.#specOf(name, patch))
      : this.#patchIf({ name, patch, spec: this.#specOf(name, patch), generation: ifGeneration });
  }

  /**
   * The fields of a patch one by one: whatever else the object may carry is not sent. Under a schedule a command may be for what
   * the spec says already, so its time goes along: without a change nobody would see it.
   */
  #specOf(name: string, patch: TogglePatch): SpecPatch {
    if (patch.restartAt !== undefined) return { restartAt: patch.restartAt };
    if (patch.enabled === undefined) return { until: patch.until };
    const { enabled, until, requestedBy, reason } = patch;
    const { remembered, wallClock = Date.now } = this.#options;
    const isScheduled = remembered?.(name)?.spec.schedule !== undefined;
    return {
      enabled,
      until,
      requestedBy,
      reason,
      ...(isScheduled && { requestedAt: rfc3339(new Date(wallClock())) }),
    };
  }

  /** A plain patch sets the same fields whenever it is done, so it may be sent again. */
  async #patchAnyway(name: string, spec: object): Promise<ToggleResult> {
    for (let count = 1; ; count += 1) {
      const answer = await this.#send(name, { spec });
      const mayRepeat = !answer.ok && (answer.kind === "conflict" || (answer.stale && count === 1));
      if (!mayRepeat || count === MAX_ATTEMPTS) return this.#resultOf(name, answer);
    }
  }

  /**
   * The generation can't be a condition of a patch, but metadata.resourceVersion in it is one (409 where it has changed:
   * https://github.com/kubernetes/kubernetes/issues/63104, and "Concurrency control and consistency" in
   * https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md). A status that was written
   * meanwhile changes the version and not the generation: then it is tried again. A JSON patch with `test` would need no
   * reading, but its failure is a 422, as that of an invalid spec is.
   *
   * What the watch remembers saves the first reading: where it is old, the version does not fit.
   */
  async #patchIf(wanted: ConditionalPatch): Promise<ToggleResult> {
    const { name, spec } = wanted;
    let isKnown = true;
    let version = this.#rememberedVersion(wanted);
    for (let count = 1; ; count += 1) {
      if (version === undefined) {
        const reading = await this.#readFor(wanted, isKnown);
        if ("end" in reading) return reading.end;
        version = reading.version;
      }
      const answer = await this.#send(name, { metadata: { resourceVersion: version }, spec });
      if (answer.ok || count === MAX_ATTEMPTS) return this.#resultOf(name, answer);
      if (answer.kind !== "conflict") {
        // Whether the API server read it before the connection went is seen from the Toggle.
        if (!answer.stale || !isKnown) return this.#resultOf(name, answer);
        isKnown = false;
      }
      version = undefined;
    }
  }

  #rememberedVersion({ name, generation }: ConditionalPatch): string | undefined {
    const metadata = this.#options.remembered?.(name)?.metadata;
    return metadata?.generation === generation ? metadata.resourceVersion : undefined;
  }

  /** `isKnown`: whether it is known that none of the patches sent so far was made. */
  async #readFor({ name, patch, generation }: ConditionalPatch, isKnown: boolean): Promise<Reading> {
    const read = await this.#read(name);
    if (!read.ok) return { end: isKnown ? read : failed("unavailable") };
    const { metadata } = read.toggle;
    if (metadata.generation === generation) return { version: metadata.resourceVersion };
    if (isKnown) return { end: failed("changed") };
    return { end: isApplied(read.toggle, patch) ? read : failed("unavailable") };
  }

  async #read(name: string): Promise<ToggleResult> {
    const { client, path } = this.#options;
    return this.#resultOf(name, await client.request({ verb: "get", path: `${path}/${name}` }));
  }

  #send(name: string, mergePatch: object): Promise<ApiAnswer> {
    const { client, path } = this.#options;
    return client.request({
      verb: "patch",
      path: `${path}/${name}?fieldManager=${FIELD_MANAGER}`,
      mergePatch,
    });
  }

  #resultOf(name: string, answer: ApiAnswer): ToggleResult {
    const { namespace, logger, onUnanswered } = this.#options;
    if (!answer.ok) {
      if (answer.kind !== "not-found") {
        logger.warn({ toggle: name, fault: answer.what }, "the API server did not do as it was asked");
      }
      if (answer.status === 0) onUnanswered?.(answer.what);
      return failed(WHY[answer.kind]);
    }
    const toggle = readToggle(answer.body, namespace);
    if (toggle?.metadata.name === name) return { ok: true, toggle };
    logger.warn({ toggle: name }, "the API server answered something that is not the Toggle");
    return failed("unavailable");
  }
}

export const createToggleRequests = (options: ToggleRequestsOptions): ToggleRequests =>
  new ApiToggles(options);
