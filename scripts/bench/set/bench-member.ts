// SPDX-License-Identifier: Apache-2.0
// Runs one agent of a set on a SoftHSM2 token, to which the bench gives its role and its secrets.
import { randomBytes } from "node:crypto";
import { Value } from "@sinclair/typebox/value";
import { Pool } from "undici";
import { RoleBody, type RoleOrder } from "../../../server/agent-api/role-schema.ts";
import type { ServerProcess } from "../../local/server-process.ts";
import type { TestToken } from "../../local/softhsm-token.ts";
import { startBenchAgent } from "../bench-token.ts";
import type { MemberRequest, MemberTokens } from "./member-tokens.ts";

export const SET = "bench/hsm";

type Request = Omit<MemberRequest, "origin">;
type MemberAddress = RoleOrder["members"][number];

/** Two keys, as the other writes of the bench have them. */
export const madeUp = (): Record<string, string> => ({
  username: randomBytes(32).toString("base64"),
  password: randomBytes(32).toString("base64"),
});

export class BenchMember {
  readonly id: string;
  readonly agent: ServerProcess;
  readonly #tokens: MemberTokens;
  readonly #pool: Pool;

  private constructor(id: string, agent: ServerProcess, tokens: MemberTokens) {
    this.id = id;
    this.agent = agent;
    this.#tokens = tokens;
    this.#pool = new Pool(agent.url, { connections: 4 });
  }

  static async start(
    id: string,
    token: TestToken,
    tokens: MemberTokens,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<BenchMember> {
    const named = { DEVICE_NAME: id, NODE_NAME: `node-${id}` };
    return new BenchMember(
      id,
      await startBenchAgent(token, { ...tokens.env, ...named, ...settings }),
      tokens,
    );
  }

  get address(): string {
    return new URL(this.agent.url).host;
  }

  /** The body of an answer of 200 or 201. @throws Error for any other */
  async ask(request: Request): Promise<unknown> {
    const { status, body } = await this.#tokens.ask(this.#pool, { ...request, origin: this.agent.url });
    if (status === 200 || status === 201) return body;
    throw new Error(`${request.method} ${request.path}: ${status} ${JSON.stringify(body)}`);
  }

  async role(): Promise<RoleBody> {
    const body = await this.ask({ method: "GET", path: "/v1/role", as: "role" });
    if (!Value.Check(RoleBody, body)) throw new Error("not a role");
    return body;
  }

  /** Makes it primary or mirror, as the webhook does: by what it says of itself now. */
  async order(
    primary: string,
    members: readonly MemberAddress[],
    fields: Partial<RoleOrder> = {},
  ): Promise<void> {
    const { instance, clockMs } = await this.role();
    const body: RoleOrder = {
      set: SET,
      epoch: 1,
      role: this.id === primary ? "primary" : "mirror",
      primary,
      member: this.id,
      ttlSeconds: 300,
      instance,
      clockMs,
      policy: "ReadOnly",
      members: [...members],
      syncIntervalSeconds: 3600,
      ...(this.id === primary && { found: true }),
      ...fields,
    };
    await this.ask({ method: "PUT", path: "/v1/role", as: "role", body });
  }

  put(path: string, data: Readonly<Record<string, string>> = madeUp()): Promise<unknown> {
    return this.ask({ method: "PUT", path: `/v1/secrets/${path}`, as: "write", body: { data } });
  }

  async import(secrets: readonly { path: string; data: Record<string, string> }[]): Promise<void> {
    await this.ask({ method: "POST", path: "/v1/import", as: "write", body: { secrets } });
  }

  /** How many requests of `route` it has answered so far, from its metrics. */
  async answered(route: string): Promise<number> {
    const answer = await this.#pool.request({
      method: "GET",
      path: "/metrics",
      headers: this.#tokens.headers("read"),
    });
    if (answer.statusCode !== 200) throw new Error(`the metrics were answered with ${answer.statusCode}`);
    const lines = (await answer.body.text()).split("\n");
    return lines
      .filter((line) => line.startsWith(`keyswitch_http_requests_total{route="${route}"`))
      .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
  }

  async close(): Promise<void> {
    await this.agent.stop("SIGKILL");
    await this.#pool.destroy();
  }
}
