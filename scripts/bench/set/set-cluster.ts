// SPDX-License-Identifier: Apache-2.0
// Runs an HSMDevice of two nodes: the local API server and engine, the webhook, and an agent process for each Deployment. The bench takes
// the part of discovery and of the kubelets; each node has an address of loopback of its own.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { Agent } from "undici";
import { HSMDeviceStatus } from "../../../hooks/hsmdevice/schema.ts";
import type { DiscoveryBody } from "../../../server/discovery-api/schema.ts";
import { createAuthority, type Issued } from "../../../test/http/authority.ts";
import { toJson } from "../../control-plane/api/json.ts";
import { type ApiServer, startApiServer } from "../../control-plane/api/server.ts";
import { createKubeClient, type KubeClient, type KubeObject } from "../../control-plane/client.ts";
import { startEngine } from "../../control-plane/engine/engine.ts";
import { eventually } from "../../local/eventually.ts";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { type MemberRequest, type MemberTokens, makeMemberTokens } from "./member-tokens.ts";
import { NodeAgent } from "./node-agent.ts";
import { createObjects, done, KINDS, NAME, NAMESPACE, NODES, type NodeName } from "./set-objects.ts";

const DISCOVERY_PORT = 8446;

const reportOf = (node: NodeName): DiscoveryBody => ({
  node,
  plugin: false,
  paths: [],
  devices: [
    {
      ...{ id: node.toUpperCase(), node, port: "1-1", deviceNumber: 3, devicePath: "bus/usb/001/003" },
      ...{ vendorId: "2e8a", productId: "10fd", serialNumber: node.toUpperCase() },
      ...{ type: "PicoHSM", name: "Pico HSM", fault: null, resource: null },
    },
  ],
});

const serveDiscovery = async (host: string, { cert, key }: Issued, body: DiscoveryBody): Promise<Server> => {
  const server = createServer({ cert, key }, (_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(DISCOVERY_PORT, host);
  await once(server, "listening");
  return server;
};

type Closer = () => Promise<unknown>;

export class SetCluster {
  /** Milliseconds of the syncs so far, what Metacontroller does beside the hook among them. */
  readonly syncMs: number[] = [];
  readonly agents: Readonly<Record<NodeName, NodeAgent>>;
  readonly #client: KubeClient;
  readonly #tokens: MemberTokens;
  readonly #http: Agent;
  readonly #closers: Closer[];
  #kubelets: NodeJS.Timeout | undefined;
  #isLooking = false;

  private constructor(parts: {
    agents: Readonly<Record<NodeName, NodeAgent>>;
    client: KubeClient;
    tokens: MemberTokens;
    http: Agent;
    closers: Closer[];
  }) {
    this.agents = parts.agents;
    this.#client = parts.client;
    this.#tokens = parts.tokens;
    this.#http = parts.http;
    this.#closers = parts.closers;
  }

  /** An HSMDevice whose agents have no role yet. */
  static async start(folder: string, mirroring: object): Promise<SetCluster> {
    mkdirSync(folder);
    const closers: Closer[] = [];
    try {
      return await SetCluster.#assemble(folder, mirroring, closers);
    } catch (error) {
      for (const closer of closers.reverse()) await closer();
      throw error;
    }
  }

  static async #assemble(folder: string, mirroring: object, closers: Closer[]): Promise<SetCluster> {
    const tokens = makeMemberTokens(join(folder, "bearer"));
    const authority = createAuthority(folder);
    const shown = authority.issue("server");
    const http = new Agent({ connect: { ca: authority.ca, servername: "localhost" } });
    closers.push(() => http.destroy());
    const network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
    const hosts: Record<NodeName, string> = { a: `${network}.1`, b: `${network}.2` };
    for (const node of NODES) {
      const server = await serveDiscovery(hosts[node], shown, reportOf(node));
      closers.push(async () => {
        server.closeAllConnections();
        server.close();
      });
    }
    const api: ApiServer = await startApiServer();
    closers.push(() => api.close());
    const client = createKubeClient(api.url, "bench");
    closers.push(() => client.close());
    const env = {
      ...tokens.env,
      TLS_CERT_FILE: shown.certFile,
      TLS_KEY_FILE: shown.keyFile,
      PEER_CA_FILE: authority.caFile,
    };
    const agents = {
      a: new NodeAgent(join(folder, "a"), env, http),
      b: new NodeAgent(join(folder, "b"), env, http),
    };
    closers.push(() => Promise.all(NODES.map((node) => agents[node].kill())));
    const webhook = await SetCluster.#webhook(authority.caFile, tokens);
    closers.push(() => webhook.stop());
    const cluster = new SetCluster({ agents, client, tokens, http, closers });
    await createObjects(client, { hosts, webhook: webhook.url, mirroring });
    const engine = await startEngine({
      apiUrl: api.url,
      applyStrategy: "server-side-apply",
      onSync: ({ milliseconds }) => cluster.syncMs.push(milliseconds),
    });
    closers.push(() => engine.close());
    cluster.#startKubelets(hosts);
    return cluster;
  }

  static #webhook(caFile: string, tokens: MemberTokens): Promise<ServerProcess> {
    return startServerProcess("webhook", {
      AGENTS: "hsm=http://127.0.0.1:1",
      AGENT_CA_FILE: caFile,
      AGENT_ROLE_TOKEN_FILE: tokens.file("role"),
      AGENT_SERVER_NAME: "localhost",
      DISCOVERY_TOKEN_FILE: tokens.file("read"),
      DISCOVERY_CA_FILE: caFile,
      DISCOVERY_SERVER_NAME: "localhost",
      LOG_LEVEL: "error",
    });
  }

  /** The kubelets look for Deployments without an agent, and tell of those that run. */
  #startKubelets(hosts: Readonly<Record<NodeName, string>>): void {
    const look = async () => {
      const { items } = done(await this.#client.list(KINDS.deployments, NAMESPACE));
      for (const deployment of items) {
        const node = NODES.find((one) => one === deployment.metadata.annotations?.["hsm.j5t.io/node"]);
        if (node === undefined) continue;
        const { name = "" } = deployment.metadata;
        const agent = this.agents[node];
        if (await agent.run(name, node, hosts[node])) await this.#createPod(deployment, node, hosts[node]);
        await this.#tell(deployment, agent.isThere);
      }
    };
    this.#kubelets = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      void look().finally(() => {
        this.#isLooking = false;
      });
    }, 100);
  }

  async #createPod(deployment: KubeObject, node: NodeName, podIP: string): Promise<void> {
    const { name = "" } = deployment.metadata;
    const { spec } = deployment as unknown as { spec: { template: { metadata: { labels: object } } } };
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE, labels: spec.template.metadata.labels },
      spec: { nodeName: node, containers: [{ name: "agent", image: "keyswitch:0.1.0" }] },
    };
    const made = await this.#client.create(KINDS.pods, toJson(pod) as KubeObject, NAMESPACE);
    if (!made.ok) return; // the pod of before, whose process was started again
    const status = { phase: "Running", podIP };
    done(await this.#client.update(KINDS.pods, { ...made.value, status } as KubeObject, "status"));
  }

  async #tell(deployment: KubeObject, isThere: boolean): Promise<void> {
    const ready = Number(isThere);
    const { generation = 1 } = deployment.metadata;
    const status = {
      observedGeneration: generation,
      replicas: 1,
      readyReplicas: ready,
      availableReplicas: ready,
    };
    if (JSON.stringify((deployment as { status?: unknown }).status) === JSON.stringify(status)) return;
    // Where somebody else was first, the next look does it.
    await this.#client.update(KINDS.deployments, { ...deployment, status } as KubeObject, "status");
  }

  async status(): Promise<HSMDeviceStatus> {
    const at = { namespace: NAMESPACE, name: NAME };
    const { status = {} } = done(await this.#client.get(KINDS.devices, at)) as { status?: unknown };
    if (!Value.Check(HSMDeviceStatus, status)) throw new Error("not the status of an HSMDevice");
    return status;
  }

  /** Waits until `id` is the primary and every mirror holds all. */
  settled(id: string): Promise<unknown> {
    const isSettled = async () => {
      const { primary, conditions = [] } = await this.status();
      return (
        primary === id && conditions.some(({ type, status }) => type === "Mirrored" && status === "True")
      );
    };
    return eventually(`${id} is the primary of a whole set`, isSettled, { seconds: 120, paceMs: 200 });
  }

  /** Has the HSMDevice synced, by an annotation that nobody reads. */
  async touch(value: string): Promise<void> {
    const body = JSON.stringify({ metadata: { annotations: { "bench.invalid/touched": value } } });
    const patch = { contentType: "application/merge-patch+json", body } as const;
    done(await this.#client.patch(KINDS.devices, { namespace: NAMESPACE, name: NAME }, patch));
  }

  /** The status of an answer, or 0 where none came within `seconds`. */
  async ask(node: NodeName, request: Omit<MemberRequest, "origin">, seconds: number): Promise<number> {
    try {
      const { url } = this.agents[node];
      const signal = AbortSignal.timeout(seconds * 1000);
      return (await this.#tokens.ask(this.#http, { ...request, origin: url, signal })).status;
    } catch {
      return 0;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#kubelets);
    await eventually("the kubelets have gone", async () => !this.#isLooking);
    for (const closer of this.#closers.reverse()) await closer();
  }
}
