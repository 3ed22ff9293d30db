// SPDX-License-Identifier: Apache-2.0
// Sets up agents of one set over tokens in memory, with a clock that the test advances, and orders their roles.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Registry } from "prom-client";
import type { Test } from "tap";
import { createMemoryStore } from "../../../scripts/local/memory-store.ts";
import { bearerTokenFiles, buildAgentApp } from "../../../server/agent/app.ts";
import { SET_PATH } from "../../../server/agent/mirror/member.ts";
import { createMemberStore } from "../../../server/agent/mirror/member-store.ts";
import type { SetMembership } from "../../../server/agent/role/lease.ts";
import { openSet } from "../../../server/agent/role/open-set.ts";
import type { RoleBody, RoleOrder } from "../../../server/agent-api/role-schema.ts";
import { fakeClock } from "../../doubles/clock.ts";
import { recordedLog } from "../../http/recorded-log.ts";

export const SET = "default/hsm";

export type Answered = {
  status: number;
  headers: Headers;
  json: { code?: string; message?: string; [name: string]: unknown };
};

/** The bearer tokens of a set: all its agents have the same. */
export const setTokens = (t: Test) => {
  const token = () => randomBytes(24).toString("base64url");
  const tokens = { reader: token(), writer: token(), role: token() };
  const root = t.testdir({ read: tokens.reader, write: `ci:${tokens.writer}`, role: tokens.role, sys: {} });
  return { ...tokens, root };
};

export type SetTokens = ReturnType<typeof setTokens>;
export type SetAgent = Awaited<ReturnType<typeof startSetAgent>>;

/** An agent of the set that listens on loopback; its id is `id`. */
export const startSetAgent = async (t: Test, tokens: SetTokens, id: string) => {
  const clock = fakeClock();
  const store = createMemoryStore(id);
  const { logger, lines } = recordedLog("info");
  const at = (name: string) => join(tokens.root, name);
  const config = {
    deviceName: id,
    nodeName: `node-${id}`,
    readTokenFile: at("read"),
    writeTokenFile: at("write"),
  };
  const set = openSet({ config, store, logger, clock });
  const app = buildAgentApp({
    store,
    set,
    logger,
    registry: new Registry(),
    auth: {
      tokenFiles: bearerTokenFiles({
        readTokenFile: at("read"),
        writeTokenFile: at("write"),
        roleTokenFile: at("role"),
      }),
      clientCertificates: false,
      loopback: true,
    },
    device: id,
    node: `node-${id}`,
    sysfsRoot: at("sys"),
  });
  t.teardown(() => app.close());
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    {
      as = "writer",
      headers = {},
    }: { as?: "reader" | "writer" | "role"; headers?: Record<string, string> } = {},
  ): Promise<Answered> => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${tokens[as]}`,
        ...(body !== undefined && { "content-type": type }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, json: text === "" ? {} : JSON.parse(text) };
  };
  const audits = () => lines.filter(({ msg }) => msg === "audit");
  return {
    id,
    tokens,
    app,
    url,
    address: new URL(url).host,
    clock,
    set,
    store,
    member: set.member,
    ask,
    audits,
    lines,
  };
};

/** What an agent says of itself. */
export const toldBy = async (agent: SetAgent): Promise<RoleBody> =>
  (await agent.ask("GET", "/v1/role", undefined, { as: "role" })).json as unknown as RoleBody;

/** An order for `agent` that stands on what it says now. */
export const orderFor = async (
  agent: SetAgent,
  agents: readonly SetAgent[],
  fields: Partial<RoleOrder> = {},
): Promise<RoleOrder> => {
  const { instance, clockMs } = await toldBy(agent);
  const primary = agents[0]?.id ?? agent.id;
  return {
    set: SET,
    epoch: 1,
    role: agent.id === primary ? "primary" : "mirror",
    primary,
    member: agent.id,
    ttlSeconds: 30,
    instance,
    clockMs,
    policy: "ReadOnly",
    members: agents.map(({ id, address }) => ({ id, address })),
    syncIntervalSeconds: 60,
    ...(agent.id === primary && { found: true }),
    ...fields,
  };
};

/** Orders it. */
export const order = async (
  agent: SetAgent,
  agents: readonly SetAgent[],
  fields: Partial<RoleOrder> = {},
): Promise<Answered> => agent.ask("PUT", "/v1/role", await orderFor(agent, agents, fields), { as: "role" });

/** What the agent's token says of its set. */
export const membershipOf = async ({ member }: SetAgent): Promise<SetMembership | undefined> => {
  const known = await member.membership();
  return known.kind === "known" ? known.membership : undefined;
};

/** Makes the token say that it belongs elsewhere, as another one in its place does. */
export const nowBelongsTo = async ({ store }: SetAgent, membership: SetMembership): Promise<void> => {
  store.remove(SET_PATH);
  await createMemberStore(store).join(membership);
};
