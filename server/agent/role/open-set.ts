// SPDX-License-Identifier: Apache-2.0
// Puts together what an agent needs as a member of a set of HSMs: its role, and the connections to the other agents.
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { type Clock, monotonicClock } from "../../time.ts";
import type { AgentConfig } from "../config.ts";
import type { MemberStore } from "../mirror/member.ts";
import { AgentRole } from "./agent-role.ts";
import { createPeerClient, type PeerClient } from "./peer-client.ts";

export type AgentSet = { role: AgentRole; peers: PeerClient };

type SetConfig = Pick<AgentConfig, "deviceName" | "nodeName" | "readTokenFile" | "peerCaFile" | "tls">;

/** @throws UnusableFile */
export const openSet = (
  { deviceName, nodeName, readTokenFile, peerCaFile, tls }: SetConfig,
  member: MemberStore,
  logger: Logger,
  clock: Clock = monotonicClock,
): AgentSet => ({
  role: new AgentRole({ device: deviceName, node: nodeName, member, clock, instance: randomUUID() }),
  peers: createPeerClient({
    ...(readTokenFile !== undefined && { tokenFile: readTokenFile }),
    ...(peerCaFile !== undefined && { caFile: peerCaFile }),
    tls: tls !== undefined,
    logger,
  }),
});
