// SPDX-License-Identifier: Apache-2.0
// Implements a set of HSMs of doubles: agents on addresses of loopback with one port, which tell the roles that the test gives them.
import type { ServerOptions } from "node:https";
import type { Test } from "tap";
import type { RoleBody } from "../../server/agent-api/role-schema.ts";
import { type AgentDouble, type Answer, answerJson, startAgent } from "./agent.ts";

/** A role as an agent tells it that has just been given it, or has none. */
export const told = (device: string, rest: Partial<RoleBody> = {}): RoleBody => ({
  device,
  node: "node-a",
  instance: `${device}-1`,
  clockMs: 5000,
  token: { ready: true },
  set: { set: "demo/hsm", epoch: 1 },
  secrets: 1,
  versions: 3,
  lease: null,
  position: 1,
  writing: 0,
  mirror: null,
  ...rest,
});

const lease = (role: "primary" | "mirror", epoch: number, primary: string) => ({
  role,
  epoch,
  primary,
  remainingMs: 25_000,
  draining: false,
});

export const primaryRole = (device: string, epoch = 1): RoleBody =>
  told(device, { set: { set: "demo/hsm", epoch }, lease: lease("primary", epoch, device) });

/** A mirror that holds all of what `primary` has. */
export const mirrorRole = (device: string, primary: string, { epoch = 1, diverged = 0 } = {}): RoleBody =>
  told(device, {
    set: { set: "demo/hsm", epoch },
    lease: lease("mirror", epoch, primary),
    mirror: {
      holds: { member: primary, instance: `${primary}-1`, position: 1 },
      epoch,
      ageSeconds: 3,
      diverged,
    },
  });

export type MemberDouble = {
  readonly address: string;
  readonly agent: AgentDouble;
  /** What it tells of its role; undefined: it knows of none. */
  role: RoleBody | undefined;
  /** What it answers to everything else. */
  answer: Answer;
  /** Takes every request, and answers none. */
  hangs: boolean;
  /** Answers requests for its role as little as one whose token is busy. */
  isBusy: boolean;
  /** Requests for its role so far. */
  roleRequests: number;
};

type MemberStart = Pick<MemberDouble, "answer" | "role">;

const startMember = async (
  t: Test,
  { answer, role }: MemberStart,
  tls: ServerOptions | undefined,
  where: { host: string; port?: number },
): Promise<MemberDouble> => {
  const agent = await startAgent(t, (request, response) => member.answerAll(request, response), tls, where);
  const member = {
    address: where.host,
    agent,
    role,
    answer,
    hangs: false,
    isBusy: false,
    roleRequests: 0,
    answerAll: ((request, response) => {
      if (request.url === "/v1/role") member.roleRequests += 1;
      if (member.hangs || (member.isBusy && request.url === "/v1/role")) return;
      if (request.url === "/healthz") return answerJson(200, { status: "alive" })(request, response);
      if (request.url !== "/v1/role") return member.answer(request, response);
      const { role: now } = member;
      const status = now === undefined ? 404 : 200;
      answerJson(status, now ?? { code: "NOT_FOUND", message: "no route" })(request, response);
    }) as Answer,
  };
  return member;
};

/** Starts the members on 127.0.0.2 and further; `origin` names a host that `resolve` knows. */
export const startSet = async (t: Test, members: readonly MemberStart[], tls?: ServerOptions) => {
  const started: MemberDouble[] = [];
  let port = 0;
  for (const [index, member] of members.entries()) {
    started.push(await startMember(t, member, tls, { host: `127.0.0.${index + 2}`, port }));
    port = Number(new URL(started[0]?.agent.origin ?? "").port);
  }
  const addresses = new Set(started.map(({ address }) => address));
  return {
    members: started,
    /** What the name of the set has; the test may change it. */
    addresses,
    origin: `${tls ? "https" : "http"}://localhost:${port}`,
    resolve: async () => [...addresses],
  };
};
