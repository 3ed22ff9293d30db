// SPDX-License-Identifier: Apache-2.0
// Asks one agent of a set: for its role, and anything else, without waiting for one that is out as for one that is slow.
import {
  type AgentRequest,
  type CallOptions,
  callAgent,
  type NoAnswer,
  type WireAnswer,
} from "../agent-api/client.ts";
import { RoleBody } from "../agent-api/role-schema.ts";
import type { HttpPool } from "../http/http-pool.ts";
import { compileSchema } from "../http/validation.ts";
import { jsonOf } from "../json.ts";
import { timeLimit } from "../time.ts";
import type { Told } from "./member-order.ts";

/** For the answer of an agent that is alive. */
const ROLE_MS = 1000;
/** An agent that has not answered for so long is asked whether it is alive, which it says without its token. */
export const SILENCE_MS = 200;
const ALIVE_MS = 400;

const roleBody = compileSchema(RoleBody);

/** Unless it `isPatient`, the call gives an agent up before the time is over that is silent, and does not say that it is alive either. */
export type MemberCallOptions = CallOptions & { isPatient?: boolean };

/** What is known of one address. */
export class MemberConnection {
  told: Told = { kind: "unknown" };
  /** Whether it did not answer when it was asked last. */
  silent = false;
  readonly #http: HttpPool;
  readonly #now: () => number;
  /** `scheme://address:port`. */
  readonly origin: string;
  #asking: Promise<void> | undefined;
  #alive: Promise<boolean> | undefined;

  constructor(http: HttpPool, origin: string, now: () => number) {
    this.#http = http;
    this.origin = origin;
    this.#now = now;
  }

  /** Asks for the role; requests at once are joined. */
  ask(isOnly: boolean): Promise<void> {
    this.#asking ??= this.#ask(isOnly).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(isOnly: boolean): Promise<void> {
    const sentAt = this.#now();
    const request = { method: "GET", path: "/v1/role" } as const;
    const how = { signal: timeLimit(ROLE_MS), isPatient: isOnly };
    const { answer, gaveUp } = await this.#exchange(request, how);
    // A token that is busy, as with a write, keeps an agent from telling its role; its lease goes on until it ends.
    const isBusy = isLate(answer) && !gaveUp;
    this.silent = isSilent(answer) && !isBusy;
    if (!isBusy) this.told = toldOf(answer, sentAt);
  }

  /** Never throws. */
  async call(request: AgentRequest, options: MemberCallOptions): Promise<WireAnswer | NoAnswer> {
    const { answer } = await this.#exchange(request, options);
    this.silent = isSilent(answer);
    return answer;
  }

  async #exchange(
    request: AgentRequest,
    { isPatient = false, ...options }: MemberCallOptions,
  ): Promise<{ answer: WireAnswer | NoAnswer; gaveUp: boolean }> {
    const givenUp = new AbortController();
    const watch = setTimeout(async () => {
      if (!isPatient && !(await this.#isAlive())) givenUp.abort();
    }, SILENCE_MS);
    const signal = AbortSignal.any([options.signal, givenUp.signal]);
    const answer = await callAgent(this.#http, request, { ...options, origin: this.origin, signal });
    clearTimeout(watch);
    return { answer, gaveUp: givenUp.signal.aborted };
  }

  /** Whether it answers at all; requests at once are joined. */
  #isAlive(): Promise<boolean> {
    this.#alive ??= callAgent(
      this.#http,
      { method: "GET", path: "/healthz" },
      { origin: this.origin, signal: timeLimit(ALIVE_MS) },
    )
      .then((answer) => "status" in answer)
      .finally(() => {
        this.#alive = undefined;
      });
    return this.#alive;
  }
}

const isLate = (answer: WireAnswer | NoAnswer): boolean => !("status" in answer) && answer.kind === "late";

const isSilent = (answer: WireAnswer | NoAnswer): boolean =>
  isLate(answer) || (!("status" in answer) && answer.kind === "unreachable");

const toldOf = (answer: WireAnswer | NoAnswer, sentAt: number): Told => {
  if (!("status" in answer)) return { kind: "unknown" };
  if (answer.status === 404) return { kind: "no-roles" };
  const body = answer.status === 200 ? jsonOf(answer.body) : undefined;
  if (!roleBody.Check(body)) return { kind: "unknown" };
  return { kind: "role", body, leaseEnds: sentAt + (body.lease?.remainingMs ?? 0) };
};
