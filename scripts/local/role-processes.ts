// SPDX-License-Identifier: Apache-2.0
// Runs the agent and the webhook of the local run as processes: starts, ends and updates them.
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import type { LocalToken } from "./local-token.ts";
import { type DataReader, type PodProcess, startPodProcess, type Workload } from "./pod-process.ts";
import type { Product } from "./product.ts";

export type Role = "agent" | "webhook";

export interface RoleOptions {
  readonly workloads: Readonly<Record<Role, Workload>>;
  /** Variables that differ on this machine. */
  readonly overrides: Readonly<Record<Role, Readonly<Record<string, string>>>>;
  readonly read: DataReader;
  /** In it each role has a folder of its own, for its mounts. */
  readonly folder: string;
  readonly token: LocalToken;
  readonly product: Product;
  readonly services: { call(role: Role, path: string): Promise<{ status: number }> };
  readonly onLine: (role: Role, line: string) => void;
}

/** It takes two seconds, and many on a machine that does much else. */
const START_SECONDS = 180;
/** Of the log of a role that does not start. */
const LAST_LINES = 12;

/** Those that run; each role once at most. */
export class RoleProcesses {
  readonly #options: RoleOptions;
  readonly #running = new Map<Role, PodProcess>();

  constructor(options: RoleOptions) {
    this.#options = options;
  }

  /** Answers when the role serves. @throws Error where it runs already, ends at once, or does not serve in time */
  async start(role: Role): Promise<void> {
    const { workloads, overrides, read, folder, token, product, services, onLine } = this.#options;
    // One that has ended by itself may be started again, as by a kubelet.
    if (this.#running.get(role)?.hasEnded() === false) throw new Error(`the ${role} runs already`);
    const process = await startPodProcess({
      workload: workloads[role],
      read,
      folder: join(folder, role),
      entry: role === "agent" ? (token.entry ?? product.main) : new URL("./webhook.ts", import.meta.url),
      overrides: { ...(role === "webhook" && { WEBHOOK_ENTRY: product.webhook.href }), ...overrides[role] },
      without: role === "agent" ? ["PKCS11_SLOT"] : [],
      onLine: (line) => onLine(role, line),
    });
    this.#running.set(role, process);
    if (role === "agent") token.attach((message) => process.send(message));
    const seen = () => process.output.slice(-LAST_LINES).join("\n");
    const answers = async () => {
      if (process.hasEnded()) throw new Error(`the ${role} has ended: ${seen()}`);
      // Before it listens, the call fails.
      return services.call(role, "/readyz").then(
        ({ status }) => status === 200,
        () => false,
      );
    };
    await eventually(`the start of the ${role}`, answers, { seconds: START_SECONDS, seen });
  }

  /** Ends the role and answers when it has gone. @throws Error where it does not run */
  async stop(role: Role, signal?: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#of(role).stop(signal);
    this.#running.delete(role);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((role) => this.stop(role)));
  }

  /** Brings the files of the role's pod up to date, and answers with those that differ. @throws Error where it does not run */
  refresh(role: Role): Promise<string[]> {
    return this.#of(role).refresh();
  }

  #of(role: Role): PodProcess {
    const process = this.#running.get(role);
    if (process === undefined) throw new Error(`the ${role} does not run`);
    return process;
  }
}
