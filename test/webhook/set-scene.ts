// SPDX-License-Identifier: Apache-2.0
// Sets the scene of the tests of a set of HSMs: two members, and the clients of the webhook with a clock of their own.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { createAgentClient } from "../../server/webhook/agent-client.ts";
import { openAgentSets } from "../../server/webhook/agent-set.ts";
import { createAgentWriter } from "../../server/webhook/agent-writer.ts";
import { holding } from "../doubles/agent.ts";
import { type MemberDouble, mirrorRole, primaryRole, startSet } from "../doubles/agent-set.ts";
import { recordedLog } from "../http/recorded-log.ts";

export const path = "secrets/team-a/db";
const value = randomBytes(12).toString("hex");
export const held = holding(path, { password: value }, { version: 4, epoch: 1, history: [[0, 2]] });

type Members = Parameters<typeof startSet>[1];

export const pair: Members = [
  { role: primaryRole("A"), answer: held },
  { role: mirrorRole("B", "A"), answer: held },
];

type Tls = { directory: string; caFile: string; cert: Buffer; key: Buffer; host?: string };

export const scene = async (t: Test, members: Members, tls?: Tls) => {
  const set = await startSet(t, members, tls);
  const clock = { now: 0 };
  const roles: string[] = [];
  const log = recordedLog();
  const origin = set.origin.replace("localhost", tls?.host ?? "localhost");
  const agents = [{ name: "hsm", origin, isSet: true as const }];
  const common = { logger: log.logger, ...(tls && { caFile: tls.caFile }) };
  const sets = openAgentSets(agents, {
    ...common,
    resolve: set.resolve,
    onRole: (_, role) => roles.push(role),
    now: () => clock.now,
  });
  const client = createAgentClient({ agents, sets, ...common });
  const tokenFile = join(tls?.directory ?? t.testdir({}), "token");
  writeFileSync(tokenFile, "write-token");
  const writer = createAgentWriter({ agents, sets, tokenFile, ...common });
  t.teardown(() => Promise.all([client.close(), writer.close()]));
  const [a, b] = set.members as [MemberDouble, MemberDouble];
  return { ...set, a, b, clock, roles, log, client, writer };
};

/** The paths that were asked of a member, but for roles and probes. */
export const asked = ({ agent }: MemberDouble): string[] =>
  agent.requests.map(({ method, url }) => `${method} ${url}`).filter((one) => one.includes("/v1/secrets/"));
