// SPDX-License-Identifier: Apache-2.0
// Sets up the bot's benchmark: a homeserver, the control plane with one Toggle, and the clients of a user and of a bystander.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { User } from "../../homeserver/client/user.ts";
import { startUser } from "../../homeserver/client/user.ts";
import type { RegisteredUser } from "../../homeserver/synapse.ts";
import { startSynapse } from "../../homeserver/synapse.ts";
import { eventually } from "../../local/eventually.ts";
import { type ServerProcess, startServerProcess } from "../../local/server-process.ts";
import { type Stack, startStack } from "../../local/stack.ts";
import { runtimeEnv } from "../manifest-env.ts";
import { type SeenObjects, watchObjects } from "./seen-objects.ts";

const NAMESPACE = "demo";
const TOGGLE = "web";
const REPLICAS = 3;

export type BenchScene = {
  /** Whom the bot obeys, and who is not told of more than a message. */
  readonly user: User;
  readonly bystander: User;
  /** The Toggle and its Deployment as a watch of this process shows them. */
  readonly toggles: SeenObjects;
  readonly deployments: SeenObjects;
  account(): Promise<RegisteredUser>;
  /** Which way the next command switches: it turns at each call, beginning with off. */
  turn(): boolean;
  /** Starts the compiled bot on the store of this name. */
  bot(account: RegisteredUser, store: string, env?: Readonly<Record<string, string>>): Promise<ServerProcess>;
  close(): Promise<void>;
};

/** A Deployment and a Toggle for it, which runs when this answers. */
const setToggle = async ({ kubectl }: Stack): Promise<void> => {
  await kubectl(["create", "namespace", NAMESPACE]);
  const deployment = ["deployment", TOGGLE, `--image=${TOGGLE}`, `--replicas=${REPLICAS}`];
  await kubectl(["create", "-n", NAMESPACE, ...deployment]);
  const object = {
    apiVersion: "toggle.j5t.io/v1alpha1",
    kind: "Toggle",
    metadata: { name: TOGGLE, namespace: NAMESPACE },
    spec: { enabled: true, selector: { matchLabels: { app: TOGGLE } } },
  };
  await kubectl(["apply", "-f", "-"], JSON.stringify(object));
  await eventually("the Toggle runs", async () => {
    const output = ["-o", "jsonpath={.status.phase}"];
    const phase = await kubectl(["get", "toggle", TOGGLE, "-n", NAMESPACE, ...output]);
    return phase.trim() === "Running";
  });
};

/** Sets it up in `folder`, with the homeserver of the Debian root `root`. */
export const setBenchScene = async (root: string, folder: string): Promise<BenchScene> => {
  const closers: Closer[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return { ...(await assemble(root, folder, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
};

type Closer = () => Promise<void>;

const assemble = async (
  root: string,
  folder: string,
  closers: Closer[],
): Promise<Omit<BenchScene, "close">> => {
  const synapse = await startSynapse({ root });
  closers.push(synapse.remove);
  const stack = await startStack({ token: "in memory" });
  closers.push(stack.close);
  const account = () => synapse.registerUser(`u${randomBytes(4).toString("hex")}`);
  const startAccount = async () => {
    const { userId, password } = await account();
    const started = await startUser({ baseUrl: synapse.baseUrl, userId, password });
    closers.push(started.stop);
    return started;
  };
  const watch = async (apiVersion: string, plural: string) => {
    const seen = await watchObjects(stack.urls.api, apiVersion, plural);
    closers.push(seen.close);
    return seen;
  };
  const user = await startAccount();
  const bystander = await startAccount();
  const toggles = await watch("toggle.j5t.io/v1alpha1", "toggles");
  const deployments = await watch("apps/v1", "deployments");
  await setToggle(stack);
  let isOn = true;
  return {
    turn: () => {
      isOn = !isOn;
      return isOn;
    },
    user,
    bystander,
    toggles,
    deployments,
    account,
    bot: ({ userId, password }, store, env = {}) =>
      startServerProcess("bot", {
        KUBECONFIG: stack.kubeconfig,
        TOGGLE_NAMESPACE: NAMESPACE,
        DEPLOYMENT_NAME: TOGGLE,
        MATRIX_HOMESERVER: synapse.baseUrl,
        MATRIX_USER: userId,
        MATRIX_PASSWORD: password,
        ALLOWED_USERS: user.userId,
        CRYPTO_STORE_PATH: join(folder, store),
        ECHO_MODE: "false",
        LOG_LEVEL: "error",
        ...runtimeEnv("bot/deployment.yaml"),
        ...env,
      }),
  };
};
