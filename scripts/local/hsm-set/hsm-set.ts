// SPDX-License-Identifier: Apache-2.0
// Runs a set of two HSMs in a local run: two nodes and one HSMDevice, for whose Deployments agents are started.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { toBase64Map } from "../../../hooks/formats.ts";
import type { HSMDeviceStatus } from "../../../hooks/hsmdevice/schema.ts";
import { ErrorBody } from "../../../server/http/error-body.ts";
import { jsonOf } from "../../../server/json.ts";
import { createSerialQueue } from "../../../server/queue.ts";
import { createKubeClient } from "../../control-plane/client.ts";
import { softhsmModule } from "../../system-packages.ts";
import type { Kubectl } from "../kubectl.ts";
import { asWorkload, type DataReader } from "../pod-process.ts";
import type { Product } from "../product.ts";
import type { Answer } from "../service-calls.ts";
import { runKubelets } from "./kubelets.ts";
import { SetNode, TOKEN_LABEL } from "./node.ts";
import { type MemberName, NAMESPACE, SET_NAME, type SetPlan } from "./plan.ts";
import { watchDevice } from "./watch-device.ts";

type Keys = Readonly<Record<string, string>>;

export type HsmSet = {
  /** Writes a secret to the set, by one of its agents. @throws Error with what the agents answered */
  put(path: string, keys: Keys): Promise<void>;
  /** Whether a member holds a secret; one that does not run holds none. */
  holds(name: MemberName, path: string): Promise<boolean>;
  unplug(name: MemberName): Promise<void>;
  plug(name: MemberName): Promise<void>;
  stopAgent(name: MemberName): Promise<void>;
  startAgent(name: MemberName): Promise<void>;
  /** The member that the HSMDevice's status calls the primary; undefined before there is one. */
  primary(): MemberName | undefined;
  /** The HSMDevice's status as it was last seen. */
  status(): HSMDeviceStatus;
  /** Has `hear` told what the HSMDevice is, and each change of it, in words. The answer ends it. */
  listen(hear: (line: string) => void): () => void;
};

export type SetOptions = {
  readonly plan: SetPlan;
  readonly apiUrl: string;
  readonly kubectl: Kubectl;
  readonly read: DataReader;
  readonly product: Product;
  /** Of its own; its owner removes it. */
  readonly folder: string;
  /** The PIN of the Secret keyswitch-pkcs11, in a file. */
  readonly pinFile: string;
  readonly services: {
    call(role: "agent", path: string, origin: string): Promise<Answer>;
    write(method: "PUT", path: string, body: object, origin: string): Promise<Answer>;
  };
  /** Told each line that an agent or discovery prints, and what went wrong. */
  readonly log: (line: string) => void;
  /** Where what ends the set is put; the last is called first. */
  readonly closers: (() => Promise<void> | void)[];
};

/** The HSMDevice; its mirrors hand writes on, so that whoever writes need not look for the primary. */
const hsmDevice = (module: string) => ({
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMDevice",
  metadata: { name: SET_NAME, namespace: NAMESPACE },
  spec: {
    deviceType: "PicoHSM",
    pkcs11: { libraryPath: module, tokenLabel: TOKEN_LABEL, pinSecret: { name: "keyswitch-pkcs11" } },
    mirroring: { policy: "Active", primaryNode: "node-a", syncInterval: 5 },
  },
});

/** Opens the nodes and makes the HSMDevice; the set takes writes some seconds later. */
export const openHsmSet = async (options: SetOptions): Promise<HsmSet> => {
  const { plan, apiUrl, kubectl, log, closers } = options;
  const client = createKubeClient(apiUrl, "kubelet");
  closers.push(() => client.close());
  const nodes = await openNodes(options, client);
  const queue = createSerialQueue();
  // What waits when the set is closed is not begun on nodes that are closed.
  closers.push(() => queue(async () => {}));
  const kubelets = runKubelets(client, nodes, queue, log);
  const watched = watchDevice(client);
  closers.push(() => {
    watched.close();
    kubelets.close();
  });
  await kubectl(["apply", "-f", "-"], JSON.stringify(hsmDevice(softhsmModule() ?? "")));
  const node = (name: MemberName): SetNode => {
    const found = nodes.find(({ place }) => place.name === name);
    if (found === undefined) throw new Error(`there is no HSM ${name}`);
    return found;
  };
  return {
    put: (path, keys) => put(nodes, options, path, keys),
    holds: (name, path) => holds(node(name), options, path),
    unplug: (name) => queue(async () => node(name).unplug()),
    plug: (name) => queue(async () => node(name).plug()),
    stopAgent: (name) => queue(() => node(name).stopAgent()),
    startAgent: (name) => queue(() => node(name).startAgent()),
    primary: () => plan.places.find(({ serial }) => serial === watched.status().primary)?.name,
    status: watched.status,
    listen: watched.listen,
  };
};

/** Two nodes with an HSM each, on which discovery runs. */
const openNodes = async (
  { plan, kubectl, read, product, folder, pinFile, log, closers }: SetOptions,
  client: ReturnType<typeof createKubeClient>,
): Promise<SetNode[]> => {
  const pin = readFileSync(pinFile, "utf8").trim();
  const name = "keyswitch-discovery";
  const discovery = asWorkload(await kubectl.get(["daemonset", name, "-n", NAMESPACE]), name);
  return Promise.all(
    plan.places.map(async (place) => {
      const at = join(folder, place.node);
      const node = await SetNode.open({ place, client, read, product, folder: at, pin, onLine: log });
      closers.push(() => node.close());
      await node.runDiscovery(discovery);
      return node;
    }),
  );
};

/** The first agent that takes it does; a mirror hands it on to the primary. */
const put = async (
  nodes: readonly SetNode[],
  { services }: SetOptions,
  path: string,
  keys: Keys,
): Promise<void> => {
  const data = toBase64Map(Object.entries(keys));
  const refused: string[] = [];
  for (const { origin, place } of nodes.filter(({ runs }) => runs)) {
    const { status, body } = await services.write("PUT", `/v1/secrets/${path}`, { data }, origin);
    if (status === 200 || status === 201) return;
    refused.push(`${place.node} answered ${status} ${messageOf(body)}`);
  }
  throw new Error(`the set did not take ${path}: ${refused.join("; ") || "no agent runs"}`);
};

/** Code and message of an error's body. */
const messageOf = (body: string): string => {
  const error = jsonOf(body);
  return Value.Check(ErrorBody, error) ? `${error.code}: ${error.message}` : "something else";
};

const holds = async ({ origin, runs }: SetNode, { services }: SetOptions, path: string): Promise<boolean> => {
  if (!runs) return false;
  const { status } = await services.call("agent", `/v1/secrets/${path}`, origin);
  return status === 200;
};
