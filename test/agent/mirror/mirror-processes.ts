// SPDX-License-Identifier: Apache-2.0
// Sets up agent processes of one set on real tokens, which reach each other through relays that a test can cut.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { freePort } from "../../../scripts/local/free-port.ts";
import { RoleBody, type RoleOrder } from "../../../server/agent-api/role-schema.ts";
import { compileSchema } from "../../../server/http/validation.ts";
import { startTcpProxy, type TcpProxy } from "../../doubles/tcp-proxy.ts";
import { type AgentProcess, type Fixture, startAgent, tokenFixture } from "../pkcs11/token-fixture.ts";

const Told = compileSchema(RoleBody);
export const SET = "default/hsm";

type Method = "GET" | "PUT" | "PATCH" | "DELETE" | "POST";
type As = "reader" | "writer" | "role";

/** Tokens for the three scopes, and the settings that name their files. */
const credentials = (t: Test) => {
  const dir = mkdtempSync(join(tmpdir(), "keyswitch-set-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const make = () => randomBytes(24).toString("base64url");
  const tokens: Record<As, string> = { reader: make(), writer: make(), role: make() };
  for (const [name, token] of Object.entries(tokens)) writeFileSync(join(dir, name), token, { mode: 0o600 });
  const settings = {
    READ_TOKEN_FILE: join(dir, "reader"),
    WRITE_TOKEN_FILE: join(dir, "writer"),
    ROLE_TOKEN_FILE: join(dir, "role"),
  };
  return { tokens, settings };
};

/** One member: its token, and the process that serves it at the moment. */
class Member {
  readonly id: string;
  readonly fixture: Fixture;
  readonly #t: Test;
  readonly #settings: NodeJS.ProcessEnv;
  readonly #tokens: Record<As, string>;
  #port: number | undefined;
  process: AgentProcess | undefined;
  relay: TcpProxy | undefined;

  constructor(t: Test, id: string, fixture: Fixture, { tokens, settings }: ReturnType<typeof credentials>) {
    this.#t = t;
    this.id = id;
    this.fixture = fixture;
    this.#tokens = tokens;
    this.#settings = settings;
  }

  /** Starts the process; a relay to it where there is none. The port stays the same over a restart. */
  async start(more: NodeJS.ProcessEnv = {}): Promise<void> {
    this.#port ??= await freePort();
    this.process = await startAgent(this.#t, this.fixture, {
      ...this.#settings,
      DEVICE_NAME: this.id,
      NODE_NAME: `node-${this.id}`,
      LISTEN_PORT: String(this.#port),
      ...more,
    });
    this.relay ??= await startTcpProxy(this.#t, this.process.url);
  }

  async kill(): Promise<void> {
    const { process } = this;
    process?.process.kill("SIGKILL");
    await process?.stop();
  }

  async ask(method: Method, path: string, body?: unknown, as: As = "writer") {
    const answer = await fetch(`${this.process?.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#tokens[as]}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, json: text === "" ? {} : JSON.parse(text) };
  }

  async told(): Promise<RoleBody> {
    const { json } = await this.ask("GET", "/v1/role", undefined, "role");
    if (!Told.Check(json)) throw new Error(JSON.stringify(json));
    return json;
  }

  put(path: string, value: string) {
    return this.ask("PUT", `/v1/secrets/${path}`, { data: { key: Buffer.from(value).toString("base64") } });
  }

  async read(path: string): Promise<string | undefined> {
    const { json } = await this.ask("GET", `/v1/secrets/${path}`, undefined, "reader");
    return json.data === undefined ? undefined : Buffer.from(json.data.key, "base64").toString();
  }

  /** The audit lines of one operation. */
  audits(operation: string): { outcome: string }[] {
    return (this.process?.log ?? [])
      .map((line) => JSON.parse(line))
      .filter(({ audit }) => audit === operation);
  }
}

/** Members `a`, `b`, … each on a SoftHSM2 token of its own, and others of the set whose agents are `away`. */
export const setProcesses = async (
  t: Test,
  ids: readonly string[] = ["a", "b"],
  away: readonly string[] = [],
) => {
  const shared = credentials(t);
  const members: Member[] = [];
  for (const id of ids) {
    const member = new Member(t, id, await tokenFixture(t), shared);
    await member.start();
    members.push(member);
  }
  const find = (id: string): Member => {
    const found = members.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  };
  /** Orders one member by what it says now. */
  const order = async (id: string, primary: string, fields: Partial<RoleOrder> = {}) => {
    const { instance, clockMs } = await find(id).told();
    const wanted: RoleOrder = {
      set: SET,
      epoch: 1,
      role: id === primary ? "primary" : "mirror",
      primary,
      member: id,
      // The longest that there is: a busy machine takes its time.
      ttlSeconds: 300,
      instance,
      clockMs,
      policy: "ReadOnly",
      members: [
        ...members.map((one) => ({ id: one.id, address: new URL(one.relay?.url ?? "").host })),
        ...away.map((absent) => ({ id: absent })),
      ],
      syncIntervalSeconds: 60,
      ...(id === primary && { found: true }),
      ...fields,
    };
    return find(id).ask("PUT", "/v1/role", wanted, "role");
  };
  /** Orders all, the primary first. */
  const orderAll = async (primary: string, fields: Partial<RoleOrder> = {}): Promise<void> => {
    for (const id of [primary, ...ids.filter((one) => one !== primary)]) {
      const { status, json } = await order(id, primary, fields);
      if (status !== 200) throw new Error(`${id}: ${JSON.stringify(json)}`);
    }
  };
  /** Has a mirror pull, and waits until that came to its end. */
  const pull = async (id: string, primary: string, epoch = 1) => {
    for (let tries = 1; ; tries += 1) {
      const answer = await find(id).ask("POST", "/v1/mirror/pull", { set: SET, epoch, primary }, "reader");
      if (answer.status === 200 && answer.json.code === undefined) return answer.json;
      if (tries === 5) throw new Error(`${id}: ${JSON.stringify(answer.json)}`);
    }
  };
  const content = async (id: string) => {
    const { json } = await find(id).ask("GET", "/v1/mirror/holding", undefined, "reader");
    const { set, epoch, secrets, tombstones } = json;
    return { set, epoch, secrets, tombstones };
  };
  return { find, order, orderAll, pull, content };
};
