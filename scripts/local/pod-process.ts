// SPDX-License-Identifier: Apache-2.0
// Runs the container of a Deployment or DaemonSet as a process of this machine, with the environment and mounted files that a
// kubelet would give it, so that the manifests themselves are tested.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { StringMap } from "../../hooks/kubernetes.ts";
import { writeFilesAtomically } from "./atomic-files.ts";
import { imageEnv, imageOptions } from "./image-env.ts";
import { inheritedEnv } from "./inherited-env.ts";

const Items = Type.Optional(Type.Array(Type.Object({ key: Type.String(), path: Type.String() })));
const SecretSource = Type.Object({
  name: Type.Optional(Type.String()),
  secretName: Type.Optional(Type.String()),
  items: Items,
  optional: Type.Optional(Type.Boolean()),
});
const ConfigMapSource = Type.Object({ name: Type.String(), items: Items });
const Sources = {
  secret: Type.Optional(SecretSource),
  configMap: Type.Optional(ConfigMapSource),
};
const Volume = Type.Object({
  name: Type.String(),
  ...Sources,
  projected: Type.Optional(Type.Object({ sources: Type.Array(Type.Object(Sources)) })),
});
const FieldRef = Type.Object({ fieldRef: Type.Object({ fieldPath: Type.String() }) });
const Container = Type.Object({
  name: Type.String(),
  args: Type.Array(Type.String(), { minItems: 1 }),
  env: Type.Array(
    Type.Object({
      name: Type.String(),
      value: Type.Optional(Type.String()),
      valueFrom: Type.Optional(FieldRef),
    }),
  ),
  volumeMounts: Type.Array(Type.Object({ name: Type.String(), mountPath: Type.String() })),
});

/** The part of a Deployment or DaemonSet that is needed to run its first container. */
export const Workload = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      metadata: Type.Object({ labels: StringMap }),
      spec: Type.Object({
        containers: Type.Array(Container, { minItems: 1 }),
        volumes: Type.Array(Volume),
      }),
    }),
  }),
});
export type Workload = Static<typeof Workload>;

/** Reads the data of a Secret (base64) or a ConfigMap (text) of the workload's namespace. */
export type DataReader = (kind: "secret" | "configmap", name: string) => Promise<StringMap>;

const FIELDS: Readonly<Record<string, string>> = {
  "spec.nodeName": "local",
  "metadata.namespace": "keyswitch",
};

const fieldOf = (path: string, labels: StringMap): string => {
  const label = path.match(/^metadata\.labels\['(.+)'\]$/)?.[1];
  const value = label === undefined ? FIELDS[path] : labels[label];
  if (value === undefined) throw new Error(`the field ${path} is not known here`);
  return value;
};

type Source = Pick<Static<typeof Volume>, "secret" | "configMap">;

/** What `volume` holds: contents by path. */
const contentOf = async (volume: Static<typeof Volume>, read: DataReader): Promise<Map<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  for (const source of [volume, ...(volume.projected?.sources ?? [])]) {
    for (const [path, content] of await sourceFiles(source, volume.name, read)) files.set(path, content);
  }
  return files;
};

/** The files of one Secret or ConfigMap, which the volume `volume` mounts. */
const sourceFiles = async (
  { secret, configMap }: Source,
  volume: string,
  read: DataReader,
): Promise<[string, Buffer][]> => {
  const name = secret?.secretName ?? secret?.name ?? configMap?.name;
  if (name === undefined) return [];
  const [kind, encoding] =
    secret === undefined ? (["configmap", "utf8"] as const) : (["secret", "base64"] as const);
  const data = await read(kind, name);
  const items = (secret ?? configMap)?.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return items.flatMap(({ key, path }): [string, Buffer][] => {
    const value = data[key];
    if (value !== undefined) return [[path, Buffer.from(value, encoding)]];
    if (secret?.optional === true) return [];
    throw new Error(`${name} has no key ${key}, which the volume ${volume} mounts`);
  });
};

export interface PodProcess {
  /** The lines that the process has printed so far. */
  readonly output: readonly string[];
  /** Whether it has ended, and all that it printed is there. */
  hasEnded(): boolean;
  /** Brings the mounted files up to date, as the kubelet does after a minute or two, and answers with those that differ. */
  refresh(): Promise<string[]>;
  /** Sends a message to a process that listens for some; one that has ended gets none. */
  send(message: object): void;
  /** Ends the process with `signal` and answers when it has gone. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

export interface PodOptions {
  readonly workload: Workload;
  readonly read: DataReader;
  /** A folder of the process's own, for its mounts. */
  readonly folder: string;
  /** The module that the image's entry point runs. */
  readonly entry: URL;
  /** Variables that differ on this machine: addresses, ports, paths of the HSM. */
  readonly overrides: Readonly<Record<string, string>>;
  /** Variables that are removed. */
  readonly without?: readonly string[];
  readonly onLine?: (line: string) => void;
}

/** Starts the workload's first container as a process. */
export const startPodProcess = async (options: PodOptions): Promise<PodProcess> => {
  const { workload, read, folder, entry, overrides } = options;
  const { spec, metadata } = workload.spec.template;
  const [container] = spec.containers;
  if (container === undefined) throw new Error("a workload without a container");
  const mount = async (): Promise<string[]> => {
    const changed: string[] = [];
    for (const volume of spec.volumes) {
      changed.push(...writeFilesAtomically(join(folder, volume.name), await contentOf(volume, read)));
    }
    return changed;
  };
  await mount();
  /** A path in the container, as it is on this machine. */
  const local = (value: string): string => {
    const found = container.volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
    return found === undefined ? value : join(folder, found.name, value.slice(found.mountPath.length));
  };
  const env = Object.fromEntries(
    container.env.map(({ name, value, valueFrom }) => [
      name,
      valueFrom === undefined ? local(value ?? "") : fieldOf(valueFrom.fieldRef.fieldPath, metadata.labels),
    ]),
  );
  for (const name of options.without ?? []) delete env[name];
  const child = fork(new URL("./pod-entry.mjs", import.meta.url), [entry.href, ...container.args], {
    env: { ...inheritedEnv(), ...imageEnv(), ...env, ...overrides },
    execArgv: imageOptions(),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  return { ...follow(child, options.onLine), refresh: mount };
};

const follow = (
  child: ChildProcess,
  onLine: ((line: string) => void) | undefined,
): Omit<PodProcess, "refresh"> => {
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      output.push(line);
      onLine?.(line);
    });
  }
  let isOver = false;
  // Not "exit": what it said last comes after that.
  const ended = once(child, "close").then(() => {
    isOver = true;
  });
  return {
    output,
    hasEnded: () => isOver,
    send: (message) => {
      if (child.connected) child.send(message);
    },
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
};

/** Reads a workload from `object`, which `name` is for the message. */
export const asWorkload = (object: unknown, name: string): Workload => {
  if (Value.Check(Workload, object)) return object;
  const [fault] = [...Value.Errors(Workload, object)];
  throw new Error(`${name} can't be run as a process: ${fault?.path} ${fault?.message}`);
};
