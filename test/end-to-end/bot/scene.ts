// SPDX-License-Identifier: Apache-2.0
// Sets up everything for a switch by chat: a user's client, the homeserver, the bot's process, the control plane, a Deployment.
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Test } from "tap";
import { type Toggle, Toggle as ToggleSchema } from "../../../hooks/toggle/schema.ts";
import { startUser, type User } from "../../../scripts/homeserver/client/user.ts";
import type { Homeserver, RegisteredUser } from "../../../scripts/homeserver/synapse.ts";
import { type BotProcess, startBotProcess } from "../../../scripts/local/bot-process.ts";
import { eventually } from "../../../scripts/local/eventually.ts";
import { type Stack, startStack } from "../../../scripts/local/stack.ts";
import { startTcpProxy, type TcpProxy } from "../../doubles/tcp-proxy.ts";
import { type SynapseOptions, synapseFor } from "../../matrix/synapse.ts";

const NAMESPACE = "demo";

export type Scene = {
  readonly synapse: Homeserver;
  readonly stack: Stack;
  /** In front of the API server, for the bot alone. */
  readonly apiGate: TcpProxy;
  /** CRYPTO_STORE_PATH of the bot. */
  readonly storePath: string;
  readonly account: RegisteredUser;
  /** Full id of the user whom ALLOWED_USERS names. */
  readonly alice: User;
  /** Starts the bot on the scene's store; `env` adds to its variables. */
  bot(env?: Readonly<Record<string, string>>): Promise<BotProcess>;
  user(name: string): Promise<User>;
  /** Makes a Deployment and its Toggle, and waits until the Toggle says Running. */
  deploy(name: string, replicas: number, annotations?: Readonly<Record<string, string>>): Promise<void>;
  toggle(name: string): Promise<Toggle>;
  replicas(name: string): Promise<number>;
};

export type SceneOptions = SynapseOptions & {
  /** Another scene's, to be shared. */
  readonly stack?: Stack;
};

const Deployment = Type.Object({ spec: Type.Object({ replicas: Type.Integer() }) });

/** Undefined where this machine has no Synapse; that is counted as a skipped test. */
export const setScene = async (
  t: Test,
  { stack: shared, ...options }: SceneOptions = {},
): Promise<Scene | undefined> => {
  const synapse = await synapseFor(t, options);
  if (synapse === undefined) return undefined;
  const stack = shared ?? (await startStack({ token: "in memory" }));
  const { kubectl } = stack;
  if (shared === undefined) {
    t.teardown(() => stack.close());
    await kubectl(["create", "namespace", NAMESPACE]);
  }
  const apiGate = await startTcpProxy(t, stack.urls.api);
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-bot-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const storePath = join(folder, "store");
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(
    kubeconfig,
    (await readFile(stack.kubeconfig, "utf8")).replaceAll(stack.urls.api, apiGate.url),
  );
  const account = await synapse.registerUser("keyswitch");
  const user = async (name: string): Promise<User> => {
    const { userId, password } = await synapse.registerUser(name);
    const started = await startUser({ baseUrl: synapse.baseUrl, userId, password });
    t.teardown(() => started.stop());
    return started;
  };
  const alice = await user("alice");
  const get = async <T>(kind: string, name: string, check: (value: unknown) => value is T): Promise<T> => {
    const found = await kubectl.get([kind, name, "-n", NAMESPACE]);
    if (!check(found)) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };
  const toggle = (name: string) =>
    get("toggle", name, (value): value is Toggle => Value.Check(ToggleSchema, value));
  return {
    synapse,
    stack,
    apiGate,
    storePath,
    account,
    alice,
    user,
    toggle,
    async bot(env = {}) {
      const bot = await startBotProcess({
        env: {
          KUBECONFIG: kubeconfig,
          TOGGLE_NAMESPACE: NAMESPACE,
          MATRIX_HOMESERVER: synapse.baseUrl,
          MATRIX_USER: account.userId,
          MATRIX_PASSWORD: account.password,
          ALLOWED_USERS: alice.userId,
          CRYPTO_STORE_PATH: storePath,
          ECHO_MODE: "false",
          ...env,
        },
      });
      t.teardown(async () => void (await bot.end("SIGKILL")));
      return bot;
    },
    async deploy(name, replicas, annotations = {}) {
      await kubectl([
        "create",
        "-n",
        NAMESPACE,
        "deployment",
        name,
        `--image=${name}`,
        `--replicas=${replicas}`,
      ]);
      const object = {
        apiVersion: "toggle.j5t.io/v1alpha1",
        kind: "Toggle",
        metadata: { name, namespace: NAMESPACE, annotations },
        spec: { enabled: true, selector: { matchLabels: { app: name } } },
      };
      await kubectl(["apply", "-f", "-"], JSON.stringify(object));
      await eventually(`${name} runs`, async () => (await toggle(name)).status?.phase === "Running");
    },
    replicas: async (name) =>
      (await get("deployment", name, (value) => Value.Check(Deployment, value))).spec.replicas,
  };
};
