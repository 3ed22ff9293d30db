// SPDX-License-Identifier: Apache-2.0
// Renders a folder of manifests with `kubectl kustomize`, and checks the result against the schemas of these tests.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parseAllDocuments } from "yaml";

/** The folder of the project. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

export const Manifest = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({
    name: Type.String(),
    namespace: Type.Optional(Type.String()),
    labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  }),
});
export type Manifest = Static<typeof Manifest>;

const KeyToPath = Type.Object({ key: Type.String(), path: Type.String() });
const Items = Type.Optional(Type.Array(KeyToPath));

const Volume = Type.Object({
  name: Type.String(),
  secret: Type.Optional(
    Type.Object({
      secretName: Type.String(),
      items: Items,
      defaultMode: Type.Integer(),
      optional: Type.Optional(Type.Boolean()),
    }),
  ),
  configMap: Type.Optional(Type.Object({ name: Type.String(), items: Items })),
  projected: Type.Optional(
    Type.Object({
      sources: Type.Array(
        Type.Object({
          secret: Type.Object({
            name: Type.String(),
            items: Type.Array(KeyToPath),
            optional: Type.Optional(Type.Boolean()),
          }),
        }),
      ),
    }),
  ),
  hostPath: Type.Optional(Type.Object({ path: Type.String() })),
  persistentVolumeClaim: Type.Optional(Type.Object({ claimName: Type.String() })),
  emptyDir: Type.Optional(Type.Object({ sizeLimit: Type.String() })),
});

const Probe = Type.Object({
  httpGet: Type.Optional(
    Type.Object(
      { scheme: Type.String(), port: Type.String(), path: Type.String() },
      { additionalProperties: false },
    ),
  ),
  exec: Type.Optional(Type.Object({ command: Type.Array(Type.String()) })),
});

export const Container = Type.Object({
  name: Type.String(),
  image: Type.String(),
  args: Type.Optional(Type.Array(Type.String())),
  restartPolicy: Type.Optional(Type.String()),
  env: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.String(),
        value: Type.Optional(Type.String()),
        valueFrom: Type.Optional(Type.Object({ fieldRef: Type.Object({ fieldPath: Type.String() }) })),
      }),
    ),
  ),
  envFrom: Type.Optional(Type.Array(Type.Object({ configMapRef: Type.Object({ name: Type.String() }) }))),
  ports: Type.Optional(Type.Array(Type.Object({ name: Type.String(), containerPort: Type.Integer() }))),
  startupProbe: Probe,
  livenessProbe: Probe,
  readinessProbe: Type.Optional(Probe),
  resources: Type.Object({
    requests: Type.Object({ cpu: Type.String(), memory: Type.String() }),
    limits: Type.Object({ memory: Type.String() }),
  }),
  securityContext: Type.Record(Type.String(), Type.Unknown()),
  volumeMounts: Type.Array(
    Type.Object({
      name: Type.String(),
      mountPath: Type.String(),
      readOnly: Type.Optional(Type.Boolean()),
      recursiveReadOnly: Type.Optional(Type.String()),
    }),
  ),
});
export type Container = Static<typeof Container>;

/** A Deployment or a DaemonSet. */
export const Workload = Type.Object({
  kind: Type.String(),
  metadata: Manifest.properties.metadata,
  spec: Type.Object({
    replicas: Type.Optional(Type.Integer()),
    strategy: Type.Optional(Type.Object({ type: Type.String() })),
    selector: Type.Object({ matchLabels: Type.Record(Type.String(), Type.String()) }),
    template: Type.Object({
      metadata: Type.Object({ labels: Type.Record(Type.String(), Type.String()) }),
      spec: Type.Object({
        serviceAccountName: Type.String(),
        automountServiceAccountToken: Type.Boolean(),
        terminationGracePeriodSeconds: Type.Integer(),
        nodeSelector: Type.Optional(Type.Record(Type.String(), Type.String())),
        securityContext: Type.Record(Type.String(), Type.Unknown()),
        initContainers: Type.Optional(Type.Array(Container)),
        containers: Type.Array(Container),
        volumes: Type.Array(Volume),
      }),
    }),
  }),
});
export type Workload = Static<typeof Workload>;

export const Service = Type.Object({
  metadata: Manifest.properties.metadata,
  spec: Type.Object({
    clusterIP: Type.Optional(Type.String()),
    publishNotReadyAddresses: Type.Optional(Type.Boolean()),
    selector: Type.Record(Type.String(), Type.String()),
    ports: Type.Array(Type.Object({ name: Type.String(), port: Type.Integer(), targetPort: Type.String() })),
  }),
});

/** `value` as `schema` has it. @throws if it is something else, with the first place that is wrong */
export const as = <S extends TSchema>(schema: S, value: unknown): Static<S> => {
  if (Value.Check(schema, value)) return value;
  const error = Value.Errors(schema, value).First();
  throw new Error(`${error?.path}: ${error?.message}`);
};

/** The documents of `text`, each a manifest. */
export const manifestsIn = (text: string): Manifest[] =>
  parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return as(Manifest, document.toJS());
  });

/** What `kubectl kustomize` renders of `folder`, which may be relative to the project. */
export const rendered = (folder: string): Manifest[] =>
  manifestsIn(execFileSync("kubectl", ["kustomize", folder], { cwd: root, encoding: "utf8" }));

/** The one manifest of that kind and name. */
export const pick = (manifests: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} of ${kind}/${name}`);
  return found[0];
};

/** The Deployments and DaemonSets. */
export const workloadsOf = (manifests: readonly Manifest[]): Workload[] =>
  manifests
    .filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet" || kind === "StatefulSet")
    .map((manifest) => as(Workload, manifest));

/** All containers of a workload, sidecars included. */
export const containersOf = ({ spec }: Workload): Container[] => [
  ...(spec.template.spec.initContainers ?? []),
  ...spec.template.spec.containers,
];
