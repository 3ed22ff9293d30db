// SPDX-License-Identifier: Apache-2.0
// Tests spec.targetRef in the hooks: StatefulSets, how they are judged, and what is refused.
import t from "tap";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { customize, type ToggleSyncRequest } from "../../../hooks/toggle/index.ts";
import type { ToggleSpec } from "../../../hooks/toggle/schema.ts";
import { finalize, sync } from "./hooks.ts";
import { pod } from "./pods.ts";
import { context, deployment, ownerReference, request, template } from "./request.ts";

type Status = NonNullable<Deployment["status"]>;

/** A StatefulSet demo/db of the Toggle. */
const set = (replicas: number, status: Status = {}, spec: Partial<Deployment["spec"]> = {}): Deployment => {
  const plain = deployment(
    replicas,
    { name: "db" },
    {
      observedGeneration: 1,
      replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
      updatedReplicas: replicas,
      ...status,
    },
  );
  return { ...plain, kind: "StatefulSet", spec: { ...plain.spec, ...spec } };
};

const targetRef = { kind: "StatefulSet", name: "db" } as const;
const BOTH = [{ resource: "deployments" }, { resource: "statefulsets" }];

interface Given {
  readonly spec?: Partial<ToggleSpec>;
  readonly status?: Record<string, unknown>;
  readonly sets?: readonly Deployment[];
  readonly related?: readonly Deployment[];
  readonly deployments?: readonly Deployment[];
  readonly children?: readonly { readonly resource: string }[];
  readonly finalizing?: boolean;
}

/** What Metacontroller sends of a Toggle for the StatefulSet db. */
const given = (parts: Given = {}): ToggleSyncRequest => {
  const {
    spec,
    status,
    sets = [],
    related = [],
    deployments = [],
    children = BOTH,
    finalizing = false,
  } = parts;
  const keyed = (all: readonly Deployment[]) =>
    Object.fromEntries(all.map((one) => [`demo/${one.metadata.name}`, one]));
  const made = request({
    spec: { targetRef, ...spec },
    finalizing,
    owned: deployments,
    ...(status && { status }),
    ...(finalizing && { metadata: { deletionTimestamp: context.now } }),
  });
  return {
    ...made,
    controller: { ...made.controller, spec: { childResources: children } } as ToggleSyncRequest["controller"],
    children: { ...made.children, "StatefulSet.apps/v1": keyed(sets) },
    related: { ...made.related, "StatefulSet.apps/v1": keyed([...sets, ...related]) },
  };
};

const answer = (parts: Given) => {
  const { response } = sync(given(parts), context);
  return { status: response.status ?? {}, children: response.children };
};

const rows: readonly [name: string, parts: Given, phase: string, message: RegExp, stalled?: boolean][] = [
  [
    "all of its pods are there",
    { sets: [set(3)] },
    "Running",
    /^3 of 3 replicas of the StatefulSet db available/,
  ],
  ["some of its pods are there", { sets: [set(3, { availableReplicas: 1 })] }, "Starting", /^1 of 3/],
  [
    "a pod of it is gone",
    {
      sets: [set(3, { availableReplicas: 2 })],
      status: { phase: "Running", desiredReplicas: 3, deploymentName: "statefulset/db" },
    },
    "Degraded",
    /^2 of 3/,
  ],
  [
    "pods are of an older template",
    { sets: [set(3, { updatedReplicas: 1 })] },
    "Starting",
    /1 of the newest template/,
  ],
  [
    "those below its partition stay behind",
    {
      sets: [
        set(
          3,
          { updatedReplicas: 1 },
          { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } },
        ),
      ],
    },
    "Running",
    /^3 of 3/,
  ],
  [
    "one above its partition is of an older template",
    { sets: [set(3, { updatedReplicas: 1 }, { updateStrategy: { rollingUpdate: { partition: 1 } } })] },
    "Starting",
    /newest template/,
  ],
  [
    "with OnDelete pods stay as they are until somebody deletes them",
    { sets: [set(3, { updatedReplicas: 0 }, { updateStrategy: { type: "OnDelete" } })] },
    "Running",
    /^3 of 3/,
  ],
  ["one too many is still there", { sets: [set(3, { replicas: 4 })] }, "Starting", /1 more/],
  [
    "its controller has not seen it",
    { sets: [set(3, { observedGeneration: 0 })] },
    "Starting",
    /is being set/,
  ],
  [
    "its last pod is gone",
    { spec: { enabled: false }, sets: [set(0)] },
    "Off",
    /StatefulSet db has no replicas/,
  ],
  [
    "its last pod goes",
    { spec: { enabled: false }, sets: [set(0, { replicas: 1 })] },
    "Stopping",
    /1 replica left/,
  ],
  ["it is not there", {}, "Missing", /There is no StatefulSet db\. .*spec\.targetRef\.name/, true],
  [
    "it is another's",
    {
      related: [
        {
          ...set(1),
          metadata: { ...set(1).metadata, ownerReferences: [ownerReference("other", "pg", "Cluster")] },
        },
      ],
    },
    "Conflict",
    /StatefulSet db belongs to Cluster pg/,
    true,
  ],
  [
    "deploymentName says otherwise",
    { spec: { deploymentName: "x" }, sets: [set(3)] },
    "Blocked",
    /Take one out/,
    true,
  ],
  ["it has a template", { spec: { template }, sets: [set(3)] }, "Blocked", /makes Deployments alone/, true],
  [
    "the CompositeController is of before StatefulSets",
    { children: [{ resource: "deployments" }] },
    "Blocked",
    /no statefulsets among its childResources/,
    true,
  ],
];

for (const [name, parts, phase, message, stalled = false] of rows) {
  t.test(`of a StatefulSet: ${name}`, async (t) => {
    const { status, children } = answer(parts);
    t.match(status, { phase, message });
    const stuck = JSON.stringify(status.conditions).includes("Stalled");
    t.equal(stuck, stalled);
    for (const { replicas } of (children as { spec: { replicas: number } }[]).map(({ spec }) => spec)) {
      t.equal(replicas, parts.spec?.enabled === false ? 0 : 3);
    }
    t.strictSame(answer({ ...parts, status }).status, status, "and it rests");
  });
}

t.test("it is switched, counted and restarted as a Deployment is", async (t) => {
  const restartAt = "2026-11-22T09:00:00Z";
  t.match(answer({ spec: { enabled: false, restartAt }, sets: [set(3)] }), {
    status: { phase: "Stopping", lastReplicas: 3, deploymentName: "statefulset/db" },
    children: [
      {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "db", annotations: { "toggle.j5t.io/replicas-when-on": "3" } },
        spec: {
          replicas: 0,
          template: { metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": restartAt } } },
        },
      },
    ],
  });
});

t.test("a Deployment of its name is another one: kept as it is, and not counted for it", async (t) => {
  const web = deployment(5, { name: "db" });
  const { status, children } = answer({ sets: [set(3)], deployments: [web], spec: { enabled: false } });
  t.match(status.message, /also matches db, which this Toggle holds but does not switch/);
  t.match(children, [
    { kind: "StatefulSet", spec: { replicas: 0 } },
    { kind: "Deployment", spec: { replicas: 5 } },
  ]);
  const before = { phase: "Off", lastReplicas: 7, deploymentName: "db" };
  t.match(answer({ sets: [set(0)], status: before }).children, [{ spec: { replicas: 1 } }]);
});

t.test("while it is deleted the StatefulSet is protected as a Deployment is", async (t) => {
  const { response } = finalize(given({ finalizing: true, sets: [set(3)] }), context);
  t.match(response, {
    finalized: false,
    children: [{ kind: "StatefulSet", spec: { replicas: 3 } }],
    status: { phase: "Blocked", message: /would delete the StatefulSet db, which it did not make/ },
  });
  const both = finalize(given({ finalizing: true, sets: [set(3)], deployments: [deployment(1)] }), context);
  t.match(both.response.status, {
    message: /the StatefulSets and Deployments|the Deployments and StatefulSets/,
  });
  const gone = given({ finalizing: true, sets: [set(3)], spec: { deletionPolicy: "Delete" } });
  t.match(finalize(gone, context).response, { finalized: true });
});

t.test("customize asks for StatefulSets where the CompositeController has them", async (t) => {
  const resources = (parts: Given) => {
    const { parent, controller } = given(parts);
    return customize(parent, controller, false).relatedResources.map(({ resource, names }) => [
      resource,
      names,
    ]);
  };
  t.same(resources({}), [
    ["statefulsets", ["db"]],
    ["deployments", undefined],
    ["statefulsets", undefined],
  ]);
  t.same(resources({ children: [{ resource: "deployments" }] }), [["deployments", undefined]]);
  t.same(
    resources({ finalizing: true }).slice(0, 2),
    [
      ["deployments", undefined],
      ["statefulsets", undefined],
    ],
    "all of both while it is deleted",
  );
});

t.test("it makes its pods itself, and says which revision is the newest", async (t) => {
  const podOf = (name: string, revision: string, exitCode: number, kind = "StatefulSet") => {
    const owner = { apiVersion: "apps/v1", kind, name: "db", uid: "s", controller: true };
    const labels = { app: "web", "controller-revision-hash": revision };
    const state = { waiting: { reason: "CrashLoopBackOff" } };
    const lastState = { terminated: { exitCode, reason: "Error" } };
    return pod({ name, state, lastState, metadata: { labels, ownerReferences: [owner] } });
  };
  const pods = [podOf("db-9", "db-2", 3, "Other"), podOf("db-1", "db-1", 1), podOf("db-0", "db-2", 2)];
  const request = given({ sets: [set(3, { availableReplicas: 0, updateRevision: "db-2" })] });
  const related = {
    ...request.related,
    "Pod.v1": Object.fromEntries(pods.map((one) => [one.metadata.name, one])),
  };
  const { status } = sync({ ...request, related }, context).response;
  t.match(status, { phase: "Starting", problem: /exit code 2/ });
});
