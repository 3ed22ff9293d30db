// SPDX-License-Identifier: Apache-2.0
// Measures a mirror beside its primary: a full copy, one change of it, a pull that finds nothing new, and writes that wait for it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { makeToken, type TestToken } from "../../local/softhsm-token.ts";
import { pathOf } from "../bench-token.ts";
import { startMeasuringProcess } from "../measuring-process.ts";
import { median, quantile, rounded, type Timing, timingOf } from "../quantile.ts";
import { CallsReply, type CallsRequest } from "../token-calls.ts";
import { BenchMember, madeUp, SET } from "./bench-member.ts";
import { type ByteRelay, startByteRelay } from "./byte-relay.ts";
import { makeMemberTokens } from "./member-tokens.ts";

const SECRETS = 200;
/** About what the packed object of two such keys with its stamp has. */
const PACKED_BYTES = 300;
const CHANGES = 10;
const QUIET_PULLS = 5;
const ROUNDS = 3;
const WRITES = 10;
/** How often the mirror is asked whether it holds a change: what is measured is no finer than this. */
const POLL_MS = 2;

export interface MirroringFigures {
  readonly secrets: number;
  /** From the order that made it a mirror to the end of its first pull. */
  readonly copySeconds: number;
  /** As many new objects of the same size on one token by bare calls. */
  readonly bareSeconds: number;
  /** What the primary has sent for it, headers and all. */
  readonly copyBytes: number;
  readonly change: {
    /** Secrets that the primary has sent for each change, the most and the least. */
    readonly sent: { readonly least: number; readonly most: number };
    readonly bytes: number;
    /** Milliseconds from the answer to the write until the mirror answers a read with it. */
    readonly held: Timing;
  };
  /** Of a pull that finds nothing new. */
  readonly quietBytes: number;
  readonly acknowledge: { readonly primary: Timing; readonly mirror: Timing };
}

const Pulled = Type.Object({ code: Type.Optional(Type.String()) });
const Held = Type.Object({ checksum: Type.String() });
const SECRET_ROUTE = "/v1/mirror/secrets/*";

const newToken = async (folder: string): Promise<TestToken> => {
  mkdirSync(folder);
  const token = await makeToken(folder);
  token.close();
  return token;
};

/** A primary with SECRETS secrets, an agent on a blank token, and a relay between them. */
class Pair {
  readonly primary: BenchMember;
  readonly mirror: BenchMember;
  readonly #relay: ByteRelay;

  private constructor(primary: BenchMember, mirror: BenchMember, relay: ByteRelay) {
    this.primary = primary;
    this.mirror = mirror;
    this.#relay = relay;
  }

  static async start(folder: string): Promise<Pair> {
    const tokens = makeMemberTokens(join(folder, "bearer"));
    const primary = await BenchMember.start("a", await newToken(join(folder, "a")), tokens);
    const mirror = await BenchMember.start("b", await newToken(join(folder, "b")), tokens);
    const pair = new Pair(primary, mirror, await startByteRelay(primary.address));
    await pair.orderPrimary();
    await primary.import(
      Array.from({ length: SECRETS }, (_, index) => ({ path: pathOf(index), data: madeUp() })),
    );
    return pair;
  }

  get #members() {
    return [
      { id: "a", address: this.#relay.address },
      { id: "b", address: this.mirror.address },
    ];
  }

  orderPrimary(acks?: readonly string[]): Promise<void> {
    return this.primary.order("a", this.#members, acks === undefined ? {} : { acks: [...acks] });
  }

  orderMirror(): Promise<void> {
    return this.mirror.order("a", this.#members);
  }

  /** Has the mirror pull until it holds all. */
  async pull(): Promise<void> {
    const body = { set: SET, epoch: 1, primary: "a" };
    const answer = await this.mirror.ask({ method: "POST", path: "/v1/mirror/pull", as: "read", body });
    if (!Value.Check(Pulled, answer) || answer.code !== undefined) {
      throw new Error(`the mirror did not pull: ${JSON.stringify(answer)}`);
    }
  }

  /** What the primary sends the mirror while `work` is done, and how long that takes. */
  async sent(work: () => Promise<void>): Promise<{ secrets: number; bytes: number; ms: number }> {
    const before = { secrets: await this.primary.answered(SECRET_ROUTE), bytes: this.#relay.bytes() };
    const begin = performance.now();
    await work();
    const ms = performance.now() - begin;
    const bytes = this.#relay.bytes() - before.bytes;
    return { secrets: (await this.primary.answered(SECRET_ROUTE)) - before.secrets, bytes, ms };
  }

  /** Waits until the mirror answers a read of `path` with `checksum`. */
  async holds(path: string, checksum: string): Promise<void> {
    for (;;) {
      const read = await this.mirror.ask({ method: "GET", path: `/v1/secrets/${path}`, as: "read" });
      if (Value.Check(Held, read) && read.checksum === checksum) return;
      await sleep(POLL_MS);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.primary.close(), this.mirror.close()]);
    await this.#relay.close();
  }
}

/** Seconds that bare calls take to make an object for each secret on a token of its own. */
const bareWrites = async (folder: string): Promise<number> => {
  const { module, label, pin, env } = await newToken(folder);
  const calls = startMeasuringProcess("token-calls.ts", CallsReply, env);
  try {
    const secrets = Array.from({ length: SECRETS }, (_, index) => [pathOf(index)]);
    const request: CallsRequest = { module, label, pin, kind: "create", secrets, bytes: PACKED_BYTES };
    const { samples } = await calls.ask(request);
    return samples.reduce((sum, ms) => sum + ms, 0) / 1000;
  } finally {
    await calls.stop();
  }
};

/** The order has it pull at once; the pull that this asks for comes after that one. */
const measureCopy = async (pair: Pair) => {
  const { secrets, bytes, ms } = await pair.sent(async () => {
    await pair.orderMirror();
    await pair.pull();
  });
  if (secrets !== SECRETS) throw new Error(`${secrets} secrets were sent, and not ${SECRETS}`);
  return { copySeconds: rounded(ms / 1000), copyBytes: bytes };
};

const measureChanges = async (pair: Pair): Promise<MirroringFigures["change"]> => {
  const found = { secrets: [] as number[], bytes: [] as number[], held: [] as number[] };
  for (let index = -1; index < CHANGES; index += 1) {
    const path = pathOf(Math.max(0, index));
    let heldMs = 0;
    const { secrets, bytes } = await pair.sent(async () => {
      const written = await pair.primary.put(path);
      if (!Value.Check(Held, written)) throw new Error("not the answer to a write");
      const begin = performance.now();
      await pair.holds(path, written.checksum);
      heldMs = performance.now() - begin;
    });
    // Until the mirror has said so, and is asked for nothing more.
    await pair.pull();
    if (index < 0) continue; // warms up
    found.secrets.push(secrets);
    found.bytes.push(bytes);
    found.held.push(heldMs);
  }
  return {
    sent: { least: Math.min(...found.secrets), most: Math.max(...found.secrets) },
    bytes: median(found.bytes),
    held: timingOf(found.held),
  };
};

const measureQuiet = async (pair: Pair): Promise<number> => {
  const bytes: number[] = [];
  for (let pull = 0; pull < QUIET_PULLS; pull += 1) bytes.push((await pair.sent(() => pair.pull())).bytes);
  return quantile(bytes, 0.5);
};

/** By turns, so that a busy moment of the machine meets both. */
const measureAcknowledge = async (pair: Pair): Promise<MirroringFigures["acknowledge"]> => {
  const samples = { primary: [] as number[], mirror: [] as number[] };
  let asked = 0;
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const who of ["primary", "mirror"] as const) {
      await pair.orderPrimary(who === "mirror" ? ["b"] : undefined);
      for (let write = 0; write < WRITES; write += 1) {
        asked += 1;
        const path = pathOf((asked * 7919) % SECRETS);
        const begin = performance.now();
        await pair.primary.put(path);
        if (round >= 0) samples[who].push(performance.now() - begin);
        // A mirror that is still pulling for the write before is not what is measured.
        await pair.pull();
      }
    }
  }
  return { primary: timingOf(samples.primary), mirror: timingOf(samples.mirror) };
};

export const measureMirroring = async (folder: string): Promise<MirroringFigures> => {
  const own = join(folder, "mirroring");
  mkdirSync(own);
  const bareSeconds = rounded(await bareWrites(join(own, "bare")));
  const pair = await Pair.start(own);
  try {
    const copy = await measureCopy(pair);
    return {
      secrets: SECRETS,
      ...copy,
      bareSeconds,
      change: await measureChanges(pair),
      quietBytes: await measureQuiet(pair),
      acknowledge: await measureAcknowledge(pair),
    };
  } finally {
    await pair.close();
  }
};
