// SPDX-License-Identifier: Apache-2.0
// Measures how long the sync of an HSMSecret takes that is the next one after the primary's death, and is answered from the mirror.
import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Pool } from "undici";
import { freePort } from "../../local/free-port.ts";
import { makeToken, type TestToken } from "../../local/softhsm-token.ts";
import { pathOf } from "../bench-token.ts";
import { startMeasuringProcess } from "../measuring-process.ts";
import { rounded } from "../quantile.ts";
import { foundReading, ServerStarted, settledSyncs } from "../sync-bodies.ts";
import { SYNC_PATH } from "../webhook-rate.ts";
import { BenchMember, SET } from "./bench-member.ts";
import { type MemberTokens, makeMemberTokens } from "./member-tokens.ts";
import type { SetWebhookStart } from "./set-webhook.ts";

const SECRETS = 20;
const KEYS = { username: "app", password: "x".repeat(32) };
const TRIALS = 5;
/** For so long the webhook believes a role. */
const ROLE_MS = 2000;
const LIMIT_MS = 30_000;

/** Milliseconds of each trial, from the primary's death until a sync was answered with what the mirror holds. */
export interface ReadFailover {
  /** SIGKILL. */
  readonly killed: readonly number[];
  /** SIGSTOP: the primary keeps its connections, and answers nothing. */
  readonly silent: readonly number[];
}

const Synced = Type.Object({
  status: Type.Object({
    conditions: Type.Array(Type.Object({ type: Type.String(), reason: Type.String() })),
  }),
  children: Type.Array(Type.Object({ kind: Type.String() })),
});

/** What the webhook says of one HSMSecret. */
const reasonOf = (answer: unknown): string => {
  if (!Value.Check(Synced, answer)) return "no answer to a sync";
  const ready = answer.status.conditions.find(({ type }) => type === "Ready");
  return answer.children.length === 1 ? (ready?.reason ?? "no condition") : "no Secret";
};

/** The agents of a set at two addresses of one port, and the webhook. */
class ReadScene {
  readonly #tokens: MemberTokens;
  readonly #hosts: readonly string[];
  readonly #port: number;
  readonly #hsms: readonly TestToken[];
  readonly #webhook;
  readonly #bodies: readonly string[];
  readonly #pool: Pool;
  #asked = 0;
  #members: BenchMember[] = [];

  private constructor(parts: {
    tokens: MemberTokens;
    hosts: readonly string[];
    port: number;
    hsms: readonly TestToken[];
    webhook: ReturnType<typeof startMeasuringProcess<typeof ServerStarted>>;
    webhookPort: number;
  }) {
    this.#tokens = parts.tokens;
    this.#hosts = parts.hosts;
    this.#port = parts.port;
    this.#hsms = parts.hsms;
    this.#webhook = parts.webhook;
    this.#bodies = settledSyncs(SECRETS, foundReading(KEYS)).bodies;
    this.#pool = new Pool(`http://127.0.0.1:${parts.webhookPort}`, { connections: 1 });
  }

  static async start(folder: string): Promise<ReadScene> {
    mkdirSync(folder);
    const tokens = makeMemberTokens(join(folder, "bearer"));
    const network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
    const hosts = [`${network}.1`, `${network}.2`];
    const port = await freePort();
    const hsms: TestToken[] = [];
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder, name));
      const token = await makeToken(join(folder, name));
      token.close();
      hsms.push(token);
    }
    const webhook = startMeasuringProcess("set/set-webhook.ts", ServerStarted);
    const start: SetWebhookStart = { addresses: hosts, port, tokenFile: tokens.file("read") };
    const { port: webhookPort } = await webhook.ask(start);
    return new ReadScene({ tokens, hosts, port, hsms, webhook, webhookPort });
  }

  /** A primary, which is the first, and a mirror that holds all. */
  async #startMembers(): Promise<void> {
    const ids = ["a", "b"];
    for (const [index, token] of this.#hsms.entries()) {
      const settings = { LISTEN_HOST: this.#hosts[index] ?? "", LISTEN_PORT: String(this.#port) };
      this.#members.push(await BenchMember.start(ids[index] ?? "", token, this.#tokens, settings));
    }
    const members = this.#members.map(({ id, address }) => ({ id, address }));
    for (const member of this.#members) await member.order("a", members);
    const [primary, mirror] = this.#members;
    const data = Object.fromEntries(
      Object.entries(KEYS).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
    );
    await primary?.import(Array.from({ length: SECRETS }, (_, index) => ({ path: pathOf(index), data })));
    const body = { set: SET, epoch: 1, primary: "a" };
    await mirror?.ask({ method: "POST", path: "/v1/mirror/pull", as: "read", body });
  }

  async #sync(): Promise<string> {
    this.#asked += 1;
    const body = this.#bodies[this.#asked % SECRETS] ?? "";
    const headers = { "content-type": "application/json" };
    const answer = await this.#pool.request({ method: "POST", path: SYNC_PATH, headers, body });
    return reasonOf(await answer.body.json());
  }

  /** Syncs until one is answered with `wanted`. Milliseconds from now on. */
  async #until(wanted: string): Promise<number> {
    const begin = performance.now();
    for (;;) {
      const reason = await this.#sync();
      const ms = performance.now() - begin;
      if (reason === wanted) return ms;
      if (ms > LIMIT_MS) throw new Error(`no sync was ${wanted}, the last one was ${reason}`);
    }
  }

  async trial(end: (primary: BenchMember) => Promise<unknown>): Promise<number> {
    await this.#startMembers();
    try {
      await this.#until("Synced");
      // The roles that the webhook knows are as old as they happen to be.
      for (const until = performance.now() + randomInt(ROLE_MS); performance.now() < until; ) {
        await this.#sync();
      }
      const [primary] = this.#members;
      if (primary === undefined) throw new Error("no primary");
      const dying = end(primary);
      const ms = rounded(await this.#until("SyncedFromMirror"));
      await dying;
      return ms;
    } finally {
      await Promise.all(this.#members.map((member) => member.close()));
      this.#members = [];
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
    await this.#webhook.stop();
  }
}

export const measureReadFailover = async (folder: string): Promise<ReadFailover> => {
  const scene = await ReadScene.start(join(folder, "read-failover"));
  try {
    const killed: number[] = [];
    const silent: number[] = [];
    for (let trial = 0; trial < TRIALS; trial += 1) {
      killed.push(await scene.trial(({ agent }) => agent.stop("SIGKILL")));
      silent.push(await scene.trial(async ({ agent }) => agent.signal("SIGSTOP")));
    }
    return { killed, silent };
  } finally {
    await scene.close();
  }
};
