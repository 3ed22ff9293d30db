// SPDX-License-Identifier: Apache-2.0
// Puts together what an agent needs as a member of a set of HSMs: its role, its mirrors or its primary, and the connections to them.
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { type Clock, monotonicClock } from "../../time.ts";
import type { AgentConfig } from "../config.ts";
import { Followers } from "../mirror/followers.ts";
import type { MemberStore } from "../mirror/member.ts";
import { createMemberStore } from "../mirror/member-store.ts";
import { MirrorSource } from "../mirror/mirror-source.ts";
import { Puller } from "../mirror/puller.ts";
import type { SecretStore } from "../store.ts";
import { AgentRole } from "./agent-role.ts";
import { ChangeCount } from "./change-count.ts";
import { Lease } from "./lease.ts";
import { createPeerClient, type PeerClient } from "./peer-client.ts";

export type AgentSet = {
  readonly role: AgentRole;
  readonly peers: PeerClient;
  readonly member: MemberStore;
  readonly puller: Puller;
  readonly followers: Followers;
  /** Made up anew for each process. */
  readonly instance: string;
  close(): Promise<void>;
};

type SetConfig = Pick<
  AgentConfig,
  "deviceName" | "nodeName" | "readTokenFile" | "writeTokenFile" | "peerCaFile" | "tls"
>;

export type SetOptions = {
  readonly config: SetConfig;
  /** The token, with all that is on it. */
  readonly store: SecretStore;
  readonly logger: Logger;
  readonly clock?: Clock;
};

/** @throws UnusableFile */
export const openSet = ({ config, store, logger, clock = monotonicClock }: SetOptions): AgentSet => {
  const { deviceName, nodeName, readTokenFile, writeTokenFile, peerCaFile, tls } = config;
  const tokenFile = writeTokenFile ?? readTokenFile;
  const instance = randomUUID();
  const member = createMemberStore(store, clock);
  const lease = new Lease(clock, instance);
  const count = new ChangeCount();
  const peers = createPeerClient({
    ...(tokenFile !== undefined && { tokenFile }),
    ...(peerCaFile !== undefined && { caFile: peerCaFile }),
    tls: tls !== undefined,
    logger,
  });
  const source = new MirrorSource(peers);
  const info = () => store.info();
  const puller = new Puller({ member, source, lease, count, info, clock, logger });
  const followers = new Followers({ instance, member, lease, count, peers, clock, logger });
  const role = new AgentRole({
    device: deviceName,
    node: nodeName,
    member,
    store,
    lease,
    count,
    puller,
    followers,
  });
  return {
    role,
    peers,
    member,
    puller,
    followers,
    instance,
    async close() {
      await role.close();
      await peers.close();
    },
  };
};
