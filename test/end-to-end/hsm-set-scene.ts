// SPDX-License-Identifier: Apache-2.0
// Runs a set of HSMs as real processes: the webhook, and an agent on a SoftHSM2 token for each Deployment that its hooks answer. The
// test takes the part of Metacontroller and of the kubelets; each node has an address of loopback of its own.
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { join } from "node:path";
import type { Test } from "tap";
import { Agent, fetch } from "undici";
import type { HSMDeviceSyncRequest } from "../../hooks/hsmdevice/index.ts";
import type { DiscoveryBody } from "../../server/discovery-api/schema.ts";
import { type AgentProcess, type Fixture, startAgent, tokenFixture } from "../agent/pkcs11/token-fixture.ts";
import { SetWorld } from "../hooks/hsmdevice/set-world.ts";
import { createAuthority, type Issued } from "../http/authority.ts";
import { startProcess } from "../main/process-under-test.ts";

type Files = { folder: string; shown: Issued; caFile: string };
type Pods = NonNullable<HSMDeviceSyncRequest["related"]["Pod.v1"]>;

/** The node's discovery, whose answer is that of the world. */
const serveDiscovery = async (
  t: Test,
  host: string,
  { shown }: Files,
  report: () => DiscoveryBody,
): Promise<void> => {
  const server: Server = createServer({ cert: shown.cert, key: shown.key }, (_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(report()));
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(8446, host);
  await once(server, "listening");
};

const credentials = (
  t: Test,
): Files & { token: (name: string) => string; file: (name: string) => string } => {
  const tokens = new Map(["read", "write", "role"].map((name) => [name, randomBytes(24).toString("hex")]));
  const folder = t.testdir(Object.fromEntries(tokens));
  const authority = createAuthority(folder);
  return {
    folder,
    shown: authority.issue("server"),
    caFile: authority.caFile,
    token: (name) => tokens.get(name) ?? "",
    file: (name) => join(folder, name),
  };
};

export class SetScene extends SetWorld {
  readonly #t: Test;
  readonly #files: ReturnType<typeof credentials>;
  readonly #network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
  readonly #fixtures = new Map<string, Fixture>();
  readonly #running = new Map<string, AgentProcess>();
  readonly #http: Agent;
  #process: ReturnType<typeof startProcess> | undefined;
  #webhook = "";

  constructor(t: Test, mirroring: ConstructorParameters<typeof SetWorld>[0]) {
    super(mirroring);
    this.#t = t;
    this.#files = credentials(t);
    // Each agent shows the certificate of localhost, whatever its address is.
    this.#http = new Agent({ connect: { ca: readFileSync(this.#files.caFile), servername: "localhost" } });
    t.teardown(() => this.#http.close());
  }

  #hostOf(node: string): string {
    return `${this.#network}.${1 + Object.keys(this.devices).indexOf(node)}`;
  }

  async start(): Promise<this> {
    const { caFile, file } = this.#files;
    for (const node of Object.keys(this.devices)) {
      await serveDiscovery(this.#t, this.#hostOf(node), this.#files, () => this.#reportOf(node));
    }
    this.#process = startProcess(this.#t, "webhook", {
      LISTEN_PORT: "0",
      AGENTS: "hsm=http://127.0.0.1:1",
      AGENT_CA_FILE: caFile,
      AGENT_ROLE_TOKEN_FILE: file("role"),
      AGENT_SERVER_NAME: "localhost",
      DISCOVERY_TOKEN_FILE: file("read"),
      DISCOVERY_CA_FILE: caFile,
      DISCOVERY_SERVER_NAME: "localhost",
    });
    this.#webhook = await this.#process.address();
    return this;
  }

  #reportOf(node: string): DiscoveryBody {
    const report = this.reports().find((one) => one.node === node);
    const devices = (report?.devices ?? []).map(
      ({ id, devicePath, vendorId, productId, serialNumber }): DiscoveryBody["devices"][number] => ({
        ...{ id, node, port: "1-1", deviceNumber: 3, devicePath, vendorId, productId, serialNumber },
        ...{ type: "PicoHSM", name: "Pico HSM", fault: null, resource: null },
      }),
    );
    return { node, plugin: false, devices, paths: [] };
  }

  override request(finalizing = false): HSMDeviceSyncRequest {
    const request = super.request(finalizing);
    const pods: Pods = {};
    for (const [key, pod] of Object.entries(request.related["Pod.v1"] ?? {})) {
      const podIP = this.#hostOf(pod.spec?.nodeName ?? "");
      pods[key] = { ...pod, status: { ...pod.status, podIP } };
    }
    return { ...request, related: { ...request.related, "Pod.v1": pods } };
  }

  /** One sync as Metacontroller makes it; then the kubelets start what is to run. */
  async step(): Promise<void> {
    const answer = await fetch(`${this.#webhook}/hooks/hsmdevice/sync`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(this.request()),
    });
    const body = (await answer.json()) as Pick<SetWorld, "children"> & { status: SetWorld["found"] };
    if (answer.status !== 200) throw new Error(JSON.stringify(body));
    if (this.storesStatus) this.status = body.status;
    this.children = body.children;
    for (const { id, node, name } of this.deployments()) {
      if (!this.dead.has(id) && !this.#running.has(id)) await this.#startAgent(id, node, name);
    }
  }

  /** Syncs until `is` holds. */
  async until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
    for (let left = 60; left > 0; left--) {
      await this.step();
      if (await is()) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const told = this.#process?.lines.slice(-10) ?? [];
    throw new Error(`${what}: ${JSON.stringify([this.status, told])}`);
  }

  async #startAgent(id: string, node: string, name: string): Promise<void> {
    const { caFile, shown, file } = this.#files;
    const fixture = this.#fixtures.get(id) ?? (await tokenFixture(this.#t));
    this.#fixtures.set(id, fixture);
    const agent = await startAgent(this.#t, fixture, {
      LISTEN_HOST: this.#hostOf(node),
      LISTEN_PORT: "8444",
      TLS_CERT_FILE: shown.certFile,
      TLS_KEY_FILE: shown.keyFile,
      READ_TOKEN_FILE: file("read"),
      WRITE_TOKEN_FILE: file("write"),
      ROLE_TOKEN_FILE: file("role"),
      PEER_CA_FILE: caFile,
      DEVICE_NAME: name,
      NODE_NAME: node,
    });
    this.#running.set(id, agent);
  }

  /** Ends the process of an agent at once. */
  async killProcess(id: string): Promise<void> {
    this.dead.add(id);
    this.broken.add(id);
    const agent = this.#running.get(id);
    agent?.process.kill("SIGKILL");
    await agent?.stop();
    this.#running.delete(id);
  }

  async #ask(node: string, method: string, path: string, body?: unknown) {
    const answer = await fetch(`https://${this.#hostOf(node)}:8444/v1/secrets/${path}`, {
      dispatcher: this.#http,
      method,
      headers: {
        authorization: `Bearer ${this.#files.token("write")}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return {
      status: answer.status,
      body: (await answer.json()) as { code?: string; data?: { key: string } },
    };
  }

  /** The status of a write, and its code where it was refused. */
  async put(node: string, path: string, value: string): Promise<string> {
    const data = { key: Buffer.from(value).toString("base64") };
    const { status, body } = await this.#ask(node, "PUT", path, { data });
    return `${status}${body.code === undefined ? "" : ` ${body.code}`}`;
  }

  async read(node: string, path: string): Promise<string | undefined> {
    const { body } = await this.#ask(node, "GET", path);
    return body.data && Buffer.from(body.data.key, "base64").toString();
  }
}
