// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: measures reads and syncs on SoftHSM2, prints the figures as ratios taken in this run, and writes them
// to bench/results/latest.json.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Module, ObjectClass, type Session, SessionFlag, UserType } from "graphene-pk11";
import { Pool } from "undici";
import { startServerProcess } from "./local/server-process.ts";
import { makeToken, type TestToken } from "./local/softhsm-token.ts";
import { provide, SOFTHSM } from "./system-packages.ts";

const ROUNDS = 200;
const SIZES = [20, 200, 1000];
const RESULTS = new URL("../bench/results/", import.meta.url);
/** Metadata of a Secret that HSMSecret bench/s0 owns. */
const OWNED = {
  resourceVersion: "1",
  labels: { "app.kubernetes.io/managed-by": "keyswitch" },
  ownerReferences: [
    { apiVersion: "hsm.j5t.io/v1alpha1", kind: "HSMSecret", name: "s0", uid: "uid-0", controller: true },
  ],
};
const KEYS = { username: "app", password: "x".repeat(32) };

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Milliseconds at the quantile `q` of `samples`. */
const quantile = (samples: readonly number[], q: number): number =>
  samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * q))] ?? 0;

const round = (value: number): number => Number(value.toPrecision(3));

interface Timing {
  readonly p50: number;
  readonly p95: number;
}

/** Times `work` for each of ROUNDS calls, after a tenth as many to warm up. */
const time = async (work: (index: number) => unknown): Promise<Timing> => {
  const samples: number[] = [];
  for (let index = 0; index < ROUNDS * 1.1; index += 1) {
    const begin = performance.now();
    await work(index);
    if (index >= ROUNDS * 0.1) samples.push(performance.now() - begin);
  }
  return { p50: round(quantile(samples, 0.5)), p95: round(quantile(samples, 0.95)) };
};

const pathOf = (index: number): string => `secrets/bench/s${index}`;

/** The bare PKCS#11 calls: each key of a secret found by its label and read, in this process. */
const openBare = (token: TestToken): { session: Session; close: () => void } => {
  process.env.SOFTHSM2_CONF = token.env.SOFTHSM2_CONF;
  const module = Module.load(token.module);
  module.initialize();
  const slots = module.getSlots(true);
  const slot = Array.from({ length: slots.length }, (_, index) => slots.items(index)).find(
    (candidate) => candidate.getToken().label === token.label,
  );
  if (slot === undefined) throw new Error("the token is not there");
  const session = slot.open(SessionFlag.SERIAL_SESSION);
  session.login(token.pin, UserType.USER);
  return { session, close: () => module.finalize() };
};

const readBare = (session: Session, path: string): void => {
  for (const key of Object.keys(KEYS)) {
    const found = session.find({ class: ObjectClass.DATA, label: `${path}/${key}` });
    found.items(0).getAttribute("value");
  }
};

/** What the system that came before does: fetch every object of the token, then choose. */
const readAll = (session: Session, path: string): void => {
  const found = session.find({ class: ObjectClass.DATA });
  for (let index = 0; index < found.length; index += 1) {
    const object = found.items(index);
    if (object.getAttribute("label").startsWith(path)) object.getAttribute("value");
  }
};

/** The body of a sync of HSMSecret bench/s<index> with this status and these Secrets. */
const syncBody = (index: number, status?: object, secrets: object = {}): string =>
  JSON.stringify({
    controller: {
      apiVersion: "metacontroller.k8s.io/v1alpha1",
      kind: "CompositeController",
      metadata: { name: "hsmsecret" },
    },
    parent: {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMSecret",
      metadata: { name: `s${index}`, namespace: "bench", uid: `uid-${index}`, generation: 1 },
      spec: {},
      ...(status && { status }),
    },
    children: { "Secret.v1": secrets },
    related: { "Secret.v1": secrets },
    finalizing: false,
  });

const post = async (pool: Pool, body: string): Promise<{ status: object; children: object[] }> => {
  const answer = await pool.request({
    method: "POST",
    path: "/hooks/hsmsecret/sync",
    headers: { "content-type": "application/json" },
    body,
  });
  if (answer.statusCode !== 200) throw new Error(`the webhook answered ${answer.statusCode}`);
  return (await answer.body.json()) as { status: object; children: object[] };
};

/** Two hook calls as Metacontroller makes them: the first, and one where nothing has changed. */
const measureSyncs = async (url: string, path: (index: number) => number) => {
  const hooks = new Pool(url, { connections: 1 });
  const first = await time((index) => post(hooks, syncBody(path(index))));
  const { children } = await post(hooks, syncBody(0));
  const secrets = Object.fromEntries(
    children.map((child) => [
      "bench/s0",
      { ...child, metadata: { name: "s0", namespace: "bench", ...OWNED } },
    ]),
  );
  const { status } = await post(hooks, syncBody(0, undefined, secrets));
  const unchanged = await time(() => post(hooks, syncBody(0, status, secrets)));
  await hooks.close();
  return { first, unchanged };
};

/** Measures a token that holds `size` secrets. */
const measure = async (token: TestToken, size: number) => {
  const any = (index: number) => (index * 7919) % size;
  const bare = openBare(token);
  const calls = await time((index) => readBare(bare.session, pathOf(any(index))));
  const scan = await time((index) => readAll(bare.session, pathOf(any(index))));
  bare.close();
  const agent = await startServerProcess("agent", {
    ...token.env,
    DEVICE_NAME: "bench",
    NODE_NAME: "bench",
    PKCS11_MODULE: token.module,
    PKCS11_TOKEN_LABEL: token.label,
    PKCS11_PIN_FILE: token.pinFile,
    LOG_LEVEL: "warn",
  });
  const webhook = await startServerProcess("webhook", { AGENTS: `bench=${agent.url}`, LOG_LEVEL: "warn" });
  try {
    const pool = new Pool(agent.url, { connections: 1 });
    const read = await time(async (index) => {
      const { statusCode, body } = await pool.request({
        method: "GET",
        path: `/v1/secrets/${pathOf(any(index))}`,
      });
      await body.dump();
      if (statusCode !== 200) throw new Error(`the agent answered ${statusCode}`);
    });
    await pool.close();
    const { first, unchanged } = await measureSyncs(webhook.url, any);
    return {
      secrets: size,
      milliseconds: { calls, scan, read, first, unchanged },
      agentMiB: agent.residentMiB(),
      webhookMiB: webhook.residentMiB(),
      agentStartMs: agent.startMs,
      webhookStartMs: webhook.startMs,
    };
  } finally {
    await Promise.all([agent.stop(), webhook.stop()]);
  }
};

const run = async (folder: string): Promise<void> => {
  const token = await makeToken(folder);
  const figures = [];
  let written = 0;
  for (const size of SIZES) {
    const objects = Array.from({ length: size - written }, (_, index) =>
      Object.entries(KEYS).map(([key, value]) => ({
        label: `${pathOf(written + index)}/${key}`,
        application: "hsm-secrets-operator",
        value: Buffer.from(value),
      })),
    );
    await token.putObjects(objects.flat());
    written = size;
    figures.push(await measure(token, size));
  }
  token.close();
  const ratio = (a: Timing, b: Timing) => `${round(a.p50 / b.p50)}`.padStart(8);
  say("secrets   read p50   p95 ms   /bare    /scan   sync p50   unchanged   agent    webhook   (MiB)");
  for (const { secrets, milliseconds: ms, agentMiB, webhookMiB } of figures) {
    const cell = (value: number) => String(value).padStart(9);
    say(
      `${String(secrets).padStart(7)} ${cell(ms.read.p50)} ${cell(ms.read.p95)} ${ratio(ms.read, ms.calls)} ${ratio(ms.read, ms.scan)} ${cell(ms.first.p50)} ${cell(ms.unchanged.p50)} ${cell(agentMiB)} ${cell(webhookMiB)}`,
    );
  }
  const [small, large] = [figures[0], figures.at(-1)];
  if (small && large) {
    say(
      `From ${small.secrets} to ${large.secrets} secrets a read costs ${ratio(large.milliseconds.read, small.milliseconds.read).trim()} times as much, the bare calls ${ratio(large.milliseconds.calls, small.milliseconds.calls).trim()}, a scan of the token ${ratio(large.milliseconds.scan, small.milliseconds.scan).trim()}.`,
    );
    say(`From start to ready: agent ${large.agentStartMs} ms, webhook ${large.webhookStartMs} ms.`);
  }
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(new URL("latest.json", RESULTS), `${JSON.stringify(figures, null, 2)}\n`);
};

const [missing] = provide([SOFTHSM], say);
if (missing !== undefined) throw new Error(`${missing.name} is missing: apt-get install ${missing.debian}`);
const folder = mkdtempSync(join(tmpdir(), "keyswitch-bench-"));
try {
  await run(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
