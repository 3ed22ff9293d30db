// SPDX-License-Identifier: Apache-2.0
// Sets up everything on this machine: control plane, token, agent, webhook and a chat room, from manifests/ as docs/install.md
// does it in a cluster.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { StringMap } from "../../hooks/kubernetes.ts";
import type { SyncRecord } from "../control-plane/engine/engine.ts";
import { type ChatRoom, openChatRoom } from "./chat-room.ts";
import { type ApplyStrategy, type OpenControlPlane, openLocalControlPlane } from "./control-plane.ts";
import { makeCredentials } from "./credentials.ts";
import { freePort } from "./free-port.ts";
import { type HsmSet, openHsmSet } from "./hsm-set/hsm-set.ts";
import { planSet } from "./hsm-set/plan.ts";
import { type Kubectl, kubectlWith } from "./kubectl.ts";
import { type LocalToken, makeLocalToken } from "./local-token.ts";
import { manifestsFor } from "./manifests-overlay.ts";
import { asWorkload, type DataReader, type Workload } from "./pod-process.ts";
import { bundledProduct, SOURCES } from "./product.ts";
import { type Role, RoleProcesses } from "./role-processes.ts";
import { type RolePorts, roleVariables } from "./role-variables.ts";
import { serviceAccountOf } from "./service-account.ts";
import { openServiceCalls } from "./service-calls.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const NAMESPACE = "keyswitch";
/** Of the samples, and of the Toggles that chat commands switch. */
const DEMO = "demo";

export type { Role } from "./role-processes.ts";

export interface StackOptions {
  /** Told what is being done, a line at a time. */
  readonly say?: (line: string) => void;
  /** Told each line that a process prints. */
  readonly onLine?: (role: Role, line: string) => void;
  readonly applyStrategy?: ApplyStrategy;
  /** What it runs against; scripts/control-plane, if not given. */
  readonly controlPlane?: OpenControlPlane;
  /** The best that there is on this machine, if not given. */
  readonly token?: LocalToken["kind"];
  /** Whether there is a set of two HSMs beside the token, where this machine can have one; false, if not given. */
  readonly hsmSet?: boolean;
  /** Whether its processes run the bundles that the image has, rather than the sources; false, if not given. */
  readonly bundled?: boolean;
  /** Variables of the agent that differ from the manifests. */
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** The same for the webhook. */
  readonly webhookEnv?: Readonly<Record<string, string>>;
  /** Told how each sync ended. */
  readonly onSync?: (record: SyncRecord) => void;
  /** The port of this machine that stands between Metacontroller's stand-in and the webhook, if there is one. */
  readonly webhookBehind?: number;
}

export interface Stack {
  readonly kubeconfig: string;
  readonly kubectl: Kubectl;
  readonly token: LocalToken;
  /** Takes chat commands for the Toggles of the namespace demo. */
  readonly chat: ChatRoom;
  readonly hsmSet: HsmSet | undefined;
  readonly urls: Readonly<Record<Role | "api", string>>;
  /** Every line that anything here has logged so far. */
  logs(): readonly string[];
  /** An HTTPS request to the agent or webhook, with the token that it expects. */
  call(role: Role, path: string): Promise<{ status: number; body: string }>;
  /** A write to the agent, with the token that allows it. */
  write(method: "PUT" | "DELETE", path: string, body?: object): Promise<{ status: number; body: string }>;
  /** The bearer token that the agent takes for reading, or the webhook for hooks. */
  bearer(role: Role): Promise<string>;
  start(role: Role): Promise<void>;
  stop(role: Role, signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Brings the files of a running role's pod up to date, and the credentials of `call`, and answers with the files that differ. */
  refresh(role: Role): Promise<string[]>;
  /** Ends Metacontroller and starts it, with another --apply-strategy if one is given. */
  restartEngine(applyStrategy?: ApplyStrategy): Promise<void>;
  /** Ends the API server and starts it at the same address. */
  restartApi(): Promise<void>;
  /** Resolves when no sync runs or waits for a worker. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

const Data = Type.Object({ data: StringMap });

const dataReader =
  (kubectl: Kubectl): DataReader =>
  async (kind, name) => {
    const object = await kubectl.get([kind, name, "-n", NAMESPACE]);
    if (!Value.Check(Data, object)) throw new Error(`there is no ${kind} ${name} in ${NAMESPACE}`);
    return object.data;
  };

/** Decodes a key of a Secret. */
type SecretReader = (name: string, key: string) => Promise<string>;

/** Sets everything up; it is ready to take HSMSecrets when this answers. */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const say = options.say ?? (() => {});
  const folder = mkdtempSync(join(tmpdir(), "keyswitch-"));
  // It holds keys and a PIN, so it goes even where this process is ended in the middle.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  const closers: Closers = [
    () => {
      process.off("exit", remove);
      remove();
    },
  ];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await assemble(folder, closers, close, say, options);
  } catch (error) {
    await close();
    throw error;
  }
};

type Closers = (() => Promise<void> | void)[];
/** Where things are put, told and closed while the stack is set up. */
type Site = {
  readonly folder: string;
  readonly closers: Closers;
  readonly say: (line: string) => void;
  readonly log: (line: string) => void;
};

/** A control plane on which Keyswitch is installed, and the token. */
const installOn = async ({ folder, closers, say, log }: Site, ports: RolePorts, options: StackOptions) => {
  const controlPlane = await (options.controlPlane ?? openLocalControlPlane)({
    folder,
    applyStrategy: options.applyStrategy ?? "server-side-apply",
    log,
    onSync: options.onSync,
  });
  closers.push(() => controlPlane.close());
  const kubectl = kubectlWith(controlPlane.kubeconfig);
  const webhookPort = options.webhookBehind ?? ports.webhook;

  const tokenFolder = join(folder, "token");
  mkdirSync(tokenFolder);
  const token = await makeLocalToken(tokenFolder, options.token);
  closers.push(() => token.close());
  say(`token: ${token.kind}`);

  // In the order of docs/install.md.
  await kubectl(["apply", "-k", join(root, "manifests/namespace")]);
  const canHaveSet = token.kind === "SoftHSM2" && process.platform === "linux";
  const plan = options.hsmSet === true && canHaveSet ? planSet() : undefined;
  await makeCredentials(controlPlane.kubeconfig, token.pinFile, plan?.credentials);
  const manifests = manifestsFor({
    folder: join(folder, "overlay"),
    ...(!controlPlane.resolvesServices && { webhookPort }),
    hasDevices: plan !== undefined,
  });
  await kubectl(["apply", "-k", manifests]);
  say("applied manifests/ and the credentials of scripts/credentials.sh");
  return { controlPlane, kubectl, token, webhookPort, plan };
};

const assemble = async (
  folder: string,
  closers: Closers,
  close: () => Promise<void>,
  say: (line: string) => void,
  options: StackOptions,
): Promise<Stack> => {
  const lines: string[] = [];
  const log = (line: string) => {
    lines.push(line);
  };
  const ports: RolePorts = { agent: await freePort(), webhook: await freePort() };
  const site = { folder, closers, say, log };
  const { controlPlane, kubectl, token, webhookPort, plan } = await installOn(site, ports, options);

  const read = dataReader(kubectl);
  const secretOf: SecretReader = async (name, key) =>
    Buffer.from((await read("secret", name))[key] ?? "", "base64").toString();
  const account = await webhookAccount(kubectl, secretOf, join(folder, "service-account"));
  closers.push(() => account.close());
  const urls = {
    agent: `https://127.0.0.1:${ports.agent}`,
    webhook: `https://127.0.0.1:${ports.webhook}`,
    api: controlPlane.url,
  };
  const product = options.bundled === true ? await bundledProduct(join(folder, "product")) : SOURCES;
  const services = await openServiceCalls(urls, secretOf);
  closers.push(() => services.close());
  const roles = new RoleProcesses({
    workloads: await workloadsOf(kubectl),
    overrides: roleVariables({ ports, token, account, plan, options }),
    read,
    folder,
    token,
    product,
    services,
    onLine: (role, line) => {
      log(line);
      options.onLine?.(role, line);
    },
  });
  closers.push(() => roles.stopAll());
  await roles.start("agent");
  await roles.start("webhook");
  say(`agent and webhook listen on ${urls.agent} and ${urls.webhook}`);

  await controlPlane.startEngine(webhookPort);
  const chat = await openChatRoom({
    apiUrl: controlPlane.url,
    folder: join(folder, "chat"),
    namespace: DEMO,
    log,
  });
  closers.push(() => chat.close());
  say(`the control plane serves ${controlPlane.url}`);
  const setFolder = join(folder, "set");
  const { pinFile } = token;
  const around = { apiUrl: controlPlane.url, kubectl, read, product, services, log, closers };
  const hsmSet = plan && (await openHsmSet({ plan, folder: setFolder, pinFile, ...around }));
  return {
    kubeconfig: controlPlane.kubeconfig,
    kubectl,
    token,
    chat,
    hsmSet,
    urls,
    logs: () => lines,
    call: services.call,
    write: services.write,
    bearer: async (role) => services.bearer(role),
    start: (role) => roles.start(role),
    stop: (role, signal) => roles.stop(role, signal),
    refresh: async (role) => {
      const changed = await roles.refresh(role);
      await services.reread();
      return changed;
    },
    restartEngine: (applyStrategy) => controlPlane.restartEngine(applyStrategy),
    restartApi: () => controlPlane.restartApi(),
    idle: () => controlPlane.idle(),
    close,
  };
};

/** What the installed manifests say of the pods. */
const workloadsOf = async (kubectl: Kubectl): Promise<Record<Role, Workload>> => {
  const workload = async (kind: string, name: string) =>
    asWorkload(await kubectl.get([kind, name, "-n", NAMESPACE]), name);
  return {
    agent: await workload("daemonset", "keyswitch-agent"),
    webhook: await workload("deployment", "keyswitch-webhook"),
  };
};

/** The service account with which the webhook reaches the API server. */
const webhookAccount = async (kubectl: Kubectl, secretOf: SecretReader, folder: string) => {
  const name = "keyswitch-webhook-tls";
  const certificate = {
    cert: await secretOf(name, "tls.crt"),
    key: await secretOf(name, "tls.key"),
    ca: await secretOf(name, "ca.crt"),
  };
  return serviceAccountOf(kubectl, { name: "keyswitch-webhook", namespace: NAMESPACE, folder, certificate });
};
