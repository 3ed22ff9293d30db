// SPDX-License-Identifier: Apache-2.0
// Soaks a webhook in a steady rate of syncs while its agent is killed every minute, checks every answer, and watches the memory.
import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Pool } from "undici";
import { toBase64Map } from "../../../hooks/formats.ts";
import { freePort } from "../../local/free-port.ts";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { foundReading, settledSyncs } from "../sync-bodies.ts";
import { type OpenFiles, openFilesOf } from "./open-files.ts";
import { makeScaleToken, type ScaleToken } from "./scale-token.ts";

const OBJECTS = 500;
const PER_SECOND = 200;
const TICK_MS = 50;
const MINUTE_MS = 60_000;
/** How long the agent stays away. */
const AWAY_MS = 3000;

/** At the end of a minute; the agent, with its child, is then half a minute old. */
export interface SoakMinute {
  /** MiB resident. */
  readonly memory: Readonly<Record<"webhook" | "agent" | "child", number>>;
  readonly webhook: OpenFiles;
  readonly agent: OpenFiles;
}

export interface SoakFigures {
  readonly minutes: number;
  readonly syncs: number;
  readonly wrong: number;
  /** Answers that said that the agent can't be read, and left everything as it was. */
  readonly unavailable: number;
  readonly kills: number;
  readonly each: readonly SoakMinute[];
}

const Answer = Type.Object({
  status: Type.Object({
    conditions: Type.Array(Type.Object({ type: Type.String(), reason: Type.String() })),
  }),
  children: Type.Tuple([Type.Object({ data: Type.Record(Type.String(), Type.String()) })]),
});

/** What an answer to a settled HSMSecret says; `wrong` where it is not 200, has not the Secret as it is, or says anything else. */
const verdictOf = (status: number, text: string, data: string): "synced" | "unavailable" | "wrong" => {
  const body: unknown = status === 200 ? JSON.parse(text) : undefined;
  if (!Value.Check(Answer, body) || JSON.stringify(body.children[0].data) !== data) return "wrong";
  const reason = body.status.conditions.find(({ type }) => type === "Ready")?.reason;
  if (reason === "Synced") return "synced";
  return reason === "HSMUnavailable" ? "unavailable" : "wrong";
};

type Tally = { syncs: number; wrong: number; unavailable: number };

/** Sends syncs at the rate until `until`, whether those before are answered or not; no answer is a wrong one. */
export const sendSteadily = async (
  webhook: Pick<ServerProcess, "url">,
  bodies: readonly string[],
  data: string,
  tally: Tally,
  until: number,
): Promise<void> => {
  const pool = new Pool(webhook.url, { connections: 32 });
  const ask = async (body: string): Promise<ReturnType<typeof verdictOf>> => {
    const answer = await pool.request({
      method: "POST",
      path: "/hooks/hsmsecret/sync",
      headers: { "content-type": "application/json" },
      body,
    });
    return verdictOf(answer.statusCode, await answer.body.text(), data);
  };
  const send = async (body: string): Promise<void> => {
    const verdict = await ask(body).catch(() => "wrong" as const);
    tally.syncs += 1;
    if (verdict !== "synced") tally[verdict] += 1;
  };
  const underWay = new Set<Promise<void>>();
  const begin = performance.now();
  let sent = 0;
  while (performance.now() < until) {
    const due = ((performance.now() - begin) * PER_SECOND) / 1000;
    for (; sent < due; sent += 1) {
      const one = send(bodies[sent % bodies.length] ?? "").finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await sleep(TICK_MS);
  }
  await Promise.all(underWay);
  await pool.close();
};

/** The agent that runs; another one after each kill. */
type Running = { agent: ServerProcess };

/** Kills the agent in the middle of each minute, and starts the next on its port. */
const killEachMinute = async (
  token: ScaleToken,
  port: number,
  minutes: number,
  running: Running,
): Promise<void> => {
  const begin = performance.now();
  for (let minute = 0; minute < minutes; minute += 1) {
    await sleep(Math.max(0, begin + (minute + 0.5) * MINUTE_MS - performance.now()));
    await running.agent.stop("SIGKILL");
    await sleep(AWAY_MS);
    running.agent = await token.startAgent(port);
  }
};

const lookAt = (webhook: ServerProcess, agent: ServerProcess): SoakMinute => {
  const { own, children } = agent.memory();
  const child = Math.max(0, ...children.map(({ now }) => now));
  return {
    memory: { webhook: webhook.memory().own.now, agent: own.now, child },
    webhook: openFilesOf(webhook.pids()),
    agent: openFilesOf(agent.pids()),
  };
};

const watchEachMinute = async (
  webhook: ServerProcess,
  running: Running,
  minutes: number,
  tell: (line: string) => void,
): Promise<SoakMinute[]> => {
  const each: SoakMinute[] = [];
  const begin = performance.now();
  for (let minute = 1; minute <= minutes; minute += 1) {
    await sleep(Math.max(0, begin + minute * MINUTE_MS - performance.now()));
    each.push(lookAt(webhook, running.agent));
    tell(`minute ${minute}: ${each.at(-1)?.memory.webhook} MiB`);
  }
  return each;
};

export const measureSoak = async (
  folder: string,
  keys: Readonly<Record<string, string>>,
  minutes: number,
  tell: (line: string) => void,
): Promise<SoakFigures> => {
  if (!Number.isInteger(minutes) || minutes < 1) throw new Error("a soak takes whole minutes, 1 or more");
  const token = await makeScaleToken(folder, OBJECTS, keys);
  const port = await freePort();
  const running: Running = { agent: await token.startAgent(port) };
  const env = { AGENTS: `bench=${running.agent.url}`, LOG_LEVEL: "error" };
  const webhook = await startServerProcess("webhook", env);
  const { bodies } = settledSyncs(OBJECTS, foundReading(keys));
  const data = JSON.stringify(toBase64Map(Object.entries(keys).sort()));
  const tally: Tally = { syncs: 0, wrong: 0, unavailable: 0 };
  const until = performance.now() + minutes * MINUTE_MS;
  try {
    const [, , each] = await Promise.all([
      sendSteadily(webhook, bodies, data, tally, until),
      killEachMinute(token, port, minutes, running),
      watchEachMinute(webhook, running, minutes, tell),
    ]);
    return { minutes, ...tally, kills: minutes, each };
  } finally {
    await webhook.stop();
    await running.agent.stop();
    token.remove();
  }
};
