// SPDX-License-Identifier: Apache-2.0
// Plays a node with one HSM: its kubelet, which runs discovery and the agent as processes, and its USB port, which is a made-up sysfs.
import { mkdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { KubeClient } from "../../control-plane/client.ts";
import { eventually } from "../eventually.ts";
import { type DataReader, type PodProcess, startPodProcess, type Workload } from "../pod-process.ts";
import type { Product } from "../product.ts";
import { makeToken, type TestToken } from "../softhsm-token.ts";
import { SysfsTree } from "../sysfs-tree.ts";
import type { Place } from "./plan.ts";
import { removePod, showNode, showPod } from "./pods.ts";

export type NodeOptions = {
  readonly place: Place;
  readonly client: KubeClient;
  readonly read: DataReader;
  readonly product: Product;
  /** Of its own; its owner removes it. */
  readonly folder: string;
  /** The PIN of its token. */
  readonly pin: string;
  readonly onLine: (line: string) => void;
};

/** What a workload of the namespace runs on the node. */
export type Assigned = { readonly name: string; readonly workload: Workload };

/** The label of the tokens, which are told apart by their folders. */
export const TOKEN_LABEL = "keyswitch-pair";
const PORT = "1-1";
const START_SECONDS = 180;

export class SetNode {
  readonly place: Place;
  readonly #options: NodeOptions;
  readonly #sysfs: SysfsTree;
  readonly #token: TestToken;
  #discovery: PodProcess | undefined;
  #agent: Assigned | undefined;
  #process: PodProcess | undefined;
  /** Whether the agent shall run, as far as its user says. */
  #isStopped = false;
  #isPlugged = false;

  private constructor(options: NodeOptions, token: TestToken) {
    this.place = options.place;
    this.#options = options;
    this.#token = token;
    this.#sysfs = new SysfsTree(join(options.folder, "sys"));
  }

  /** A node whose HSM is plugged in. */
  static async open(options: NodeOptions): Promise<SetNode> {
    mkdirSync(join(options.folder, "dev"), { recursive: true });
    mkdirSync(join(options.folder, "hsm"));
    const token = await makeToken(join(options.folder, "hsm"), TOKEN_LABEL, options.pin);
    // Only agents write to it.
    token.close();
    const node = new SetNode(options, token);
    node.#plugSysfs();
    await showNode(options.client, options.place);
    return node;
  }

  /** Whether the agent serves. */
  get runs(): boolean {
    return this.#process !== undefined;
  }

  /** Where the agent listens. */
  get origin(): string {
    return `https://${this.place.host}:8444`;
  }

  /** Runs discovery; answers when it serves. */
  async runDiscovery(workload: Workload): Promise<void> {
    const name = `keyswitch-discovery-${this.place.name}`;
    // Nobody takes its resources, so that it is no device plugin; and Node can't run TypeScript without a compiler.
    const without = ["DEVICE_PLUGIN_DIR", ...(this.#options.product.isBundled ? [] : ["NODE_OPTIONS"])];
    this.#discovery = await this.#start({ name, workload }, without, {
      DEV_ROOT: join(this.#options.folder, "dev"),
    });
    await this.#show({ name, workload }, true);
  }

  /** Runs the agent as its Deployment is now; one that runs as another version of it ends before. */
  async assign(agent: Assigned): Promise<void> {
    const isSame = JSON.stringify(this.#agent) === JSON.stringify(agent);
    if (isSame) return;
    await this.#end("SIGTERM");
    if (this.#agent !== undefined) await removePod(this.#options.client, this.#agent.name);
    this.#agent = agent;
    await this.#begin();
  }

  /** Its Deployment is gone. */
  async release(name: string): Promise<void> {
    if (this.#agent?.name !== name) return;
    await this.#end("SIGTERM");
    this.#agent = undefined;
    await removePod(this.#options.client, name);
  }

  /** Ends the agent as a node's failure does, until `startAgent`. @throws Error where it does not run */
  async stopAgent(): Promise<void> {
    if (this.#process === undefined) throw new Error(`the agent of ${this.place.node} does not run`);
    this.#isStopped = true;
    await this.#end("SIGKILL");
    if (this.#agent !== undefined) await this.#show(this.#agent, false);
  }

  /** @throws Error where it runs already */
  async startAgent(): Promise<void> {
    if (this.#process !== undefined) throw new Error(`the agent of ${this.place.node} runs already`);
    this.#isStopped = false;
    await this.#begin();
  }

  /** Pulls the HSM out. @throws Error where none is in */
  unplug(): void {
    if (!this.#isPlugged) throw new Error(`no HSM is plugged into ${this.place.node}`);
    this.#sysfs.unplug(PORT);
    this.#isPlugged = false;
    renameSync(this.#tokens, `${this.#tokens}.out`);
    mkdirSync(this.#tokens);
  }

  /** Puts it back, with what it holds. @throws Error where it is in */
  plug(): void {
    if (this.#isPlugged) throw new Error(`the HSM is plugged into ${this.place.node} already`);
    rmdirSync(this.#tokens);
    renameSync(`${this.#tokens}.out`, this.#tokens);
    this.#plugSysfs();
  }

  async close(): Promise<void> {
    await Promise.all([this.#end("SIGTERM"), this.#discovery?.stop()]);
  }

  get #tokens(): string {
    return join(this.#options.folder, "hsm", "tokens");
  }

  #plugSysfs(): void {
    this.#sysfs.plug(PORT, { serial: this.place.serial });
    this.#isPlugged = true;
  }

  async #begin(): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined || this.#isStopped) return;
    this.#process = await this.#start(agent, [], {
      ...this.#token.env,
      // So that an HSM that is pulled out is missed at once.
      REFRESH_INTERVAL_MS: "1000",
    });
    await this.#show(agent, true);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.stop(signal);
  }

  async #start(
    { name, workload }: Assigned,
    without: readonly string[],
    overrides: Readonly<Record<string, string>>,
  ): Promise<PodProcess> {
    const { read, folder, product, onLine } = this.#options;
    const process = await startPodProcess({
      workload,
      read,
      folder: join(folder, name),
      entry: product.main,
      overrides: {
        LISTEN_HOST: this.place.host,
        NODE_NAME: this.place.node,
        SYSFS_ROOT: this.#sysfs.root,
        ...overrides,
      },
      without,
      onLine,
    });
    const seen = () => process.output.slice(-3).join("\n");
    const listens = async () => {
      if (process.hasEnded()) throw new Error(`${name} has ended: ${seen()}`);
      return process.output.some((line) => line.includes("Server listening at"));
    };
    try {
      await eventually(`the start of ${name}`, listens, { seconds: START_SECONDS, seen });
    } catch (error) {
      await process.stop("SIGKILL");
      throw error;
    }
    return process;
  }

  #show({ name, workload }: Assigned, ready: boolean): Promise<void> {
    const { metadata, spec } = workload.spec.template;
    return showPod(this.#options.client, this.place, { name, labels: metadata.labels, spec, ready });
  }
}
