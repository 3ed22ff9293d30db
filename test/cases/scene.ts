// SPDX-License-Identifier: Apache-2.0
// Sets up a case's fixture: a namespace of its own, kubectl in it, its secrets on the token, and waits for conditions.
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { HSMSecretStatus } from "../../hooks/hsmsecret/schema.ts";
import { Secret, StringMap } from "../../hooks/kubernetes.ts";
import { ToggleStatus } from "../../hooks/toggle/schema.ts";
import type { KubeClient, KubeObject } from "../../scripts/control-plane/client.ts";
import type { ApplyStrategy } from "../../scripts/local/control-plane.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { plainData, readyOf } from "../../scripts/local/hsmsecret-view.ts";
import { KINDS, type Kind } from "../../scripts/local/kinds.ts";
import type { Kubectl } from "../../scripts/local/kubectl.ts";
import type { Stack } from "../../scripts/local/stack.ts";

/** How often a wait looks: several cases wait at once, on a machine that has other things to do. */
const PACE_MS = 150;

type Data = Readonly<Record<string, string>>;
/** Of an object that is applied, beside its name and namespace. */
type Metadata = { labels?: Data; annotations?: Data };

export type SceneOptions = {
  readonly stack: Stack;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly applyStrategy: ApplyStrategy;
  /** The longest that anything is waited for. */
  readonly seconds: number;
  /** For how long nothing may move where nothing happens. */
  readonly quietSeconds: number;
  /** Told each value that is made, so that it can be looked for where it must not be. */
  readonly onValue: (value: string) => void;
};

export type Scene = ReturnType<typeof createScene>;

/** `kubectl` that works in `namespace`. */
const within = (kubectl: Kubectl, namespace: string): Kubectl => {
  const place = ["-n", namespace];
  return Object.assign((args: readonly string[], input?: string) => kubectl([...place, ...args], input), {
    try: (args: readonly string[], input?: string) => kubectl.try([...place, ...args], input),
    get: (args: readonly string[]) => kubectl.get([...args, ...place]),
  });
};

const describe = (object: KubeObject | undefined): string =>
  object === undefined ? "There is none." : `Its status: ${JSON.stringify(object.status ?? {})}`;

const createReader = ({ client, namespace, seconds }: SceneOptions) => {
  /** The object, or undefined where there is none. */
  const read = async (kind: Kind, name: string): Promise<KubeObject | undefined> => {
    const answer = await client.get(KINDS[kind], { namespace, name });
    if (answer.ok) return answer.value;
    if (answer.status === 404 || answer.status === 0) return undefined;
    throw new Error(`GET ${kind} ${name}: HTTP ${answer.status} ${answer.reason}`);
  };
  return {
    read,
    /** The objects of the namespace. */
    list: async (kind: Kind): Promise<readonly KubeObject[]> => {
      const answer = await client.list(KINDS[kind], namespace);
      return answer.ok ? answer.value.items : [];
    },
    /** Waits until `isSo` holds of the object, and answers with it. */
    until: async (
      what: string,
      [kind, name]: readonly [Kind, string],
      isSo: (object: KubeObject | undefined) => boolean,
      atMost = seconds,
    ): Promise<KubeObject | undefined> => {
      let last: KubeObject | undefined;
      const check = async () => {
        last = await read(kind, name);
        return isSo(last);
      };
      await eventually(`${kind} ${name}: ${what}`, check, {
        seconds: atMost,
        paceMs: PACE_MS,
        seen: () => describe(last),
      });
      return last;
    },
  };
};

/** The status of an HSMSecret; empty where it has none. */
export const hsmSecretStatusOf = (object: KubeObject | undefined): HSMSecretStatus =>
  Value.Check(HSMSecretStatus, object?.status) ? object.status : {};

/** The status of a Toggle; empty where it has none. */
export const toggleStatusOf = (object: KubeObject | undefined): Partial<ToggleStatus> =>
  Value.Check(ToggleStatus, object?.status) ? object.status : {};

/** A Secret's data, decoded; undefined where there is none. */
export const dataOf = (object: KubeObject | undefined): Record<string, string> | undefined =>
  Value.Check(Secret, object) ? plainData(object) : undefined;

const Replicas = Type.Object({ spec: Type.Object({ replicas: Type.Integer() }) });

/** How many replicas a Deployment's spec has; undefined where there is none. */
export const replicasOf = (object: KubeObject | undefined): number | undefined =>
  Value.Check(Replicas, object) ? object.spec.replicas : undefined;

const Held = Type.Object({ data: StringMap });

const decoded = (data: Data): Data =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
  );

/** What a case does to HSMSecrets, their paths and their Secrets. */
const createSecrets = (options: SceneOptions, reader: ReturnType<typeof createReader>) => {
  const { stack, namespace, seconds } = options;
  const pathOf = (name: string) => `secrets/${namespace}/${name}`;
  /** What the token holds for `name`, as the agent sees it; undefined: nothing. */
  const onToken = async (name: string): Promise<Data | undefined> => {
    let last = 0;
    // While others write, it may say that the token kept changing.
    const read = async () => {
      const { status, body } = await stack.call("agent", `/v1/secrets/${pathOf(name)}`);
      last = status;
      return status === 200 || status === 404 ? { status, body } : undefined;
    };
    const seen = () => `The agent answered HTTP ${last}.`;
    const { status, body } = await eventually(`the agent reads ${name}`, read, { seconds, seen });
    if (status === 404) return undefined;
    const answer: unknown = JSON.parse(body);
    if (!Value.Check(Held, answer)) throw new Error(`the agent's answer for ${name} is not a secret`);
    return decoded(answer.data);
  };
  return {
    pathOf,
    onToken,
    /** Makes the token hold exactly `data` for `name`. By the agent: of two processes that write to SoftHSM2 at once one may miss the other's. */
    put: async (name: string, data: Data): Promise<void> => {
      const encoded = Object.entries(data).map(([key, value]) => [
        key,
        Buffer.from(value).toString("base64"),
      ]);
      const write = async () => {
        const body = { data: Object.fromEntries(encoded) };
        const { status } = await stack.write("PUT", `/v1/secrets/${pathOf(name)}`, body);
        return status === 200 || status === 201;
      };
      await eventually(`the agent writes ${name}`, write, { seconds });
    },
    /** Leaves nothing on the token for `name`. */
    remove: async (name: string): Promise<void> => {
      const write = async () => {
        const { status } = await stack.write("DELETE", `/v1/secrets/${pathOf(name)}`);
        return status === 200 || status === 404;
      };
      await eventually(`the agent removes ${name}`, write, { seconds });
    },
    /** Waits until the Ready condition is `ready`, such as `True Synced`, and the Secret holds `data`; undefined: there is none. */
    settled: async (
      name: string,
      ready: string,
      data: Data | undefined,
      secretName = name,
    ): Promise<KubeObject | undefined> => {
      let last = "";
      let secret: KubeObject | undefined;
      const check = async () => {
        const parent = await reader.read("HSMSecret", name);
        last = describe(parent);
        if (readyOf(hsmSecretStatusOf(parent)) !== ready) return false;
        secret = await reader.read("Secret", secretName);
        if (isDeepStrictEqual(dataOf(secret), data)) return true;
        last = `The Secret is not as it should be. ${last}`;
        return false;
      };
      await eventually(`${name} is ${ready}`, check, { seconds, paceMs: PACE_MS, seen: () => last });
      return secret;
    },
  };
};

/** A Deployment that has, as its Pods have, the label `app: NAME` and `labels`. */
export const deploymentOf = (name: string, replicas: number | undefined, labels: Data = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, labels: { app: name, ...labels } },
  spec: {
    ...(replicas !== undefined && { replicas }),
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name, ...labels } },
      spec: { containers: [{ name, image: "registry.example/none" }] },
    },
  },
});

/** What a case does to Toggles and their Deployments. */
const createToggles = (
  { client, namespace, seconds }: SceneOptions,
  reader: ReturnType<typeof createReader>,
) => ({
  /** Makes a Deployment that has, as its Pods have, the label `app: NAME` and `labels`. */
  deploy: async (name: string, replicas: number, labels: Data = {}): Promise<void> => {
    const answer = await client.create(KINDS.Deployment, deploymentOf(name, replicas, labels), namespace);
    if (!answer.ok) throw new Error(`POST Deployment ${name}: HTTP ${answer.status} ${answer.reason}`);
  },
  /** Waits until the Toggle's phase is `phase` and its Deployment's spec has `replicas`. */
  becomes: async (name: string, phase: string, replicas: number, deployment = name): Promise<void> => {
    let last = "";
    const check = async () => {
      const toggle = await reader.read("Toggle", name);
      const count = replicasOf(await reader.read("Deployment", deployment));
      last = `The Deployment has ${String(count)} replicas. ${describe(toggle)}`;
      return toggleStatusOf(toggle).phase === phase && count === replicas;
    };
    await eventually(`${name} is ${phase} with ${replicas}`, check, {
      seconds,
      paceMs: PACE_MS,
      seen: () => last,
    });
  },
});

/** A scene in `options.namespace`, which is there. */
export const createScene = (options: SceneOptions) => {
  const { stack, namespace } = options;
  const kubectl = within(stack.kubectl, namespace);
  const reader = createReader(options);
  return {
    ...options,
    ...reader,
    ...createSecrets(options, reader),
    ...createToggles(options, reader),
    kubectl,
    /** A value that nobody else has. */
    value: (): string => {
      const made = randomBytes(12).toString("hex");
      options.onValue(made);
      return made;
    },
    /** `kubectl apply` of one of our resources. */
    apply: (kind: "HSMSecret" | "Toggle", name: string, spec: object, metadata: Metadata = {}) =>
      kubectl(
        ["apply", "-f", "-"],
        JSON.stringify({
          apiVersion: KINDS[kind].apiVersion,
          kind,
          metadata: { name, namespace, ...metadata },
          spec,
        }),
      ),
    /** `kubectl patch --type=merge`. */
    patch: (kind: Kind, name: string, change: object) =>
      kubectl(["patch", kind.toLowerCase(), name, "--type=merge", "-p", JSON.stringify(change)]),
    /** Asks for a sync now. */
    forceSync: (name: string) =>
      kubectl([
        "annotate",
        "hsmsecret",
        name,
        "--overwrite",
        `hsm.j5t.io/force-sync=${randomBytes(6).toString("hex")}`,
      ]),
    /** Waits until the object is gone. */
    gone: (kind: Kind, name: string) =>
      reader.until("it is gone", [kind, name], (object) => object === undefined),
  };
};
