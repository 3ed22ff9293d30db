// SPDX-License-Identifier: Apache-2.0
// The small cluster of world.ts with agents that have roles: they take orders, mirror what was written, end, and come back.
import { Value } from "@sinclair/typebox/value";
import type { HSMDeviceSyncRequest, PlannedOrder } from "../../../hooks/hsmdevice/index.ts";
import type { Pod } from "../../../hooks/hsmdevice/objects.ts";
import type { HSMDeviceSpec } from "../../../hooks/hsmdevice/schema.ts";
import { RoleOrder } from "../../../server/agent-api/role-schema.ts";
import type { Clock } from "../../../server/time.ts";
import { RoleAgent, type RoleToken } from "../../doubles/role-agent.ts";
import { type Agents, sync } from "./hooks.ts";
import { pico, World } from "./world.ts";

type Mirroring = NonNullable<HSMDeviceSpec["mirroring"]>;
type Labelled = { kind: string; metadata: { name: string; annotations?: Record<string, string> } };

export class SetWorld extends World {
  /** By device id; an agent is there while its Deployment is. */
  readonly processes = new Map<string, RoleAgent>();
  readonly tokens = new Map<string, RoleToken>();
  /** Agents that the webhook does not reach; they reach each other. */
  cut = new Set<string>();
  /** Agents whose process has ended. */
  dead = new Set<string>();
  /** Whom the last sync asked, and what it ordered. */
  asked: readonly string[] = [];
  ordered: readonly PlannedOrder[] = [];
  /** Whether what the hook answers for the status is stored. */
  storesStatus = true;
  events: string[] = [];
  readonly clock: Clock = { now: () => this.time * 1000, after: () => () => {} };

  constructor(mirroring: Mirroring = { policy: "Active" }, nodes: readonly string[] = ["a", "b"]) {
    super(Object.fromEntries(nodes.map((node) => [node, [pico(node.toUpperCase())]])));
    this.spec = { ...this.spec, mirroring };
  }

  set mirroring(mirroring: Mirroring) {
    this.spec = { ...this.spec, mirroring };
  }

  /** The token of a device, blank unless a test put something on it. */
  token(id: string): RoleToken {
    const token = this.tokens.get(id) ?? { secrets: 0, versions: 0 };
    this.tokens.set(id, token);
    return token;
  }

  agent(id: string): RoleAgent {
    const agent = this.processes.get(id);
    if (agent === undefined) throw new Error(`no agent of ${id}`);
    return agent;
  }

  kill(id: string): void {
    this.dead.add(id);
    this.broken.add(id);
    this.processes.delete(id);
  }

  revive(id: string): void {
    this.dead.delete(id);
    this.broken.delete(id);
  }

  protected deployments(): { id: string; node: string; name: string }[] {
    return (this.children as Labelled[])
      .filter(({ kind }) => kind === "Deployment")
      .map(({ metadata: { name, annotations = {} } }) => ({
        name,
        id: annotations["hsm.j5t.io/device-id"] ?? "",
        node: annotations["hsm.j5t.io/node"] ?? "",
      }));
  }

  /** The kubelets: an agent runs for each Deployment. */
  private startAgents(): void {
    const wanted = this.deployments();
    for (const id of this.processes.keys()) {
      if (!wanted.some((one) => one.id === id)) this.processes.delete(id);
    }
    for (const { id, node, name } of wanted) {
      if (this.dead.has(id) || this.processes.has(id)) continue;
      this.processes.set(id, new RoleAgent(name, node, this.token(id), this.clock));
    }
  }

  /** The agents: each mirror takes over what its primary holds. */
  pull(): void {
    for (const [id, agent] of this.processes) {
      const order = agent.lease.lastOrder();
      const primary = order && this.processes.get(order.primary);
      if (order?.role === "mirror" && primary !== undefined && primary !== this.processes.get(id)) {
        agent.pull(primary);
      }
    }
  }

  private agentPods(): Record<string, Pod> {
    return Object.fromEntries(
      this.deployments().map(({ id, node, name }) => [
        `keyswitch/${name}`,
        {
          metadata: {
            name,
            namespace: "keyswitch",
            labels: {
              "app.kubernetes.io/name": "keyswitch-hsmdevice-agent",
              "hsm.j5t.io/hsmdevice": "hsm",
              "hsm.j5t.io/device": name,
            },
          },
          spec: { nodeName: node },
          status: { phase: "Running", podIP: `fd00::${id.toLowerCase()}` },
        },
      ]),
    );
  }

  override request(finalizing = false): HSMDeviceSyncRequest {
    const request = super.request(finalizing);
    const pods = { ...request.related["Pod.v1"], ...this.agentPods() };
    return { ...request, related: { ...request.related, "Pod.v1": pods } };
  }

  private shell(): Agents {
    const reached = (id: string) => (this.cut.has(id) ? undefined : this.processes.get(id));
    return {
      ask: (questions) => {
        this.asked = questions.map(({ id }) => id);
        return new Map(this.asked.flatMap((id) => (reached(id) ? [[id, this.agent(id).told()]] : [])));
      },
      order: (orders, before) => {
        this.ordered = orders;
        const after = new Map(before);
        for (const { id, order } of orders) {
          const sent = { ...order, serverName: "agents" };
          if (!Value.Check(RoleOrder, sent)) throw new Error(`no order: ${JSON.stringify(sent)}`);
          const answer = reached(id)?.order(sent);
          if (answer?.status === 200) after.set(id, answer.body);
          if (answer === undefined) after.delete(id);
        }
        return after;
      },
    };
  }

  override answer() {
    return sync(this.request(), this.reports(), this.now, this.shell());
  }

  override sync() {
    this.startAgents();
    this.pull();
    const before = this.status;
    const result = super.sync();
    if (!this.storesStatus) this.status = before;
    this.events.push(...result.events.map(({ type, reason }) => `${type} ${reason}`));
    this.startAgents();
    return result;
  }

  /** `id@node role` of each device. */
  get roles(): string[] {
    return (this.found.discoveredDevices ?? []).map(({ id, nodeName, role }) => `${id}@${nodeName} ${role}`);
  }

  /** Who takes writes now. */
  get writers(): string[] {
    return [...this.processes]
      .filter(([, { lease }]) => lease.writeRight().kind === "granted")
      .map(([id]) => id);
  }

  condition(type: string): string {
    const found = this.found.conditions?.find((one) => one.type === type);
    return `${found?.status} ${found?.reason}: ${found?.message}`;
  }
}
