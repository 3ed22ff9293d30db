// SPDX-License-Identifier: Apache-2.0
// Tests what the status says of pods that are not ready: each row is what the kubelet reports, and the sentence.
import t from "tap";
import type { ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { sync } from "./hooks.ts";
import { ended, IMAGE, type PodParts, pod, running as runs, SECRET, waiting } from "./pods.ts";
import { context, deployment, request } from "./request.ts";
import { running, stopped } from "./sync-row.ts";

/** The status of demo/web, of which `available` of 3 pods are up. */
const statusOf = (
  pods: readonly PodParts[],
  { available = 0, status = stopped as Record<string, unknown>, now = context.now } = {},
): ToggleStatus =>
  sync(request({ owned: [deployment(3, {}, available)], pods: pods.map(pod), status }), { ...context, now })
    .response.status as ToggleStatus;

const quota = "0/3 nodes are available: 3 Insufficient cpu.";

const rows: readonly [name: string, given: readonly PodParts[], said: string | undefined][] = [
  [
    "an image that can't be pulled",
    [{ state: waiting("ImagePullBackOff") }],
    `ImagePullBackOff: the image ${IMAGE} of the container app can't be pulled.`,
  ],
  [
    "the same, while it is tried",
    [{ state: waiting("ErrImagePull") }],
    `ImagePullBackOff: the image ${IMAGE} of the container app can't be pulled.`,
  ],
  [
    "an image of an init container",
    [{ init: true, state: waiting("ErrImagePull") }],
    `ImagePullBackOff: the image ${IMAGE} of the init container app can't be pulled.`,
  ],
  [
    "an image with a digest",
    [{ image: `web@sha256:${"a".repeat(64)}`, state: waiting("ErrImagePull") }],
    `ImagePullBackOff: the image web@sha256:${"a".repeat(64)} of the container app can't be pulled.`,
  ],
  [
    "an image that holds credentials",
    [{ image: `https://user:${SECRET}@registry/web`, state: waiting("InvalidImageName") }],
    "InvalidImageName: the image of the container app is no valid name.",
  ],
  [
    "an image of more than one line",
    [{ image: "web\nx", state: waiting("InvalidImageName") }],
    "InvalidImageName: the image of the container app is no valid name.",
  ],
  [
    "an image that is never pulled",
    [{ state: waiting("ErrImageNeverPull") }],
    `ErrImageNeverPull: the image ${IMAGE} of the container app is not on the node, and is never pulled.`,
  ],
  [
    "a Secret that is missing",
    [{ state: waiting("CreateContainerConfigError", 'secret "db" not found') }],
    "CreateContainerConfigError: the container app can't be started, for the Secret db is not there.",
  ],
  [
    "a ConfigMap that is missing",
    [{ state: waiting("CreateContainerConfigError", 'configmap "db.conf" not found') }],
    "CreateContainerConfigError: the container app can't be started, for the ConfigMap db.conf is not there.",
  ],
  [
    "a key that is missing",
    [{ state: waiting("CreateContainerConfigError", "couldn't find key PASS_1 in Secret demo/db") }],
    "CreateContainerConfigError: the container app can't be started, for the Secret db has no key PASS_1.",
  ],
  [
    "a configuration that is wrong otherwise",
    [{ state: waiting("CreateContainerConfigError", `subPath ${SECRET}`) }],
    "CreateContainerConfigError: the container app can't be started.",
  ],
  [
    "a message that begins as one of those",
    [{ state: waiting("CreateContainerConfigError", `secret "db" not found ${SECRET}`) }],
    "CreateContainerConfigError: the container app can't be started.",
  ],
  [
    "a command that is not there",
    [{ state: waiting("RunContainerError") }],
    "RunContainerError: the container app can't be started.",
  ],
  [
    "the same, tried again",
    [{ state: waiting("RunContainerError"), lastState: ended(128, "StartError"), restarts: 2 }],
    "CrashLoopBackOff: the container app ended with exit code 128 (StartError).",
  ],
  [
    "a container that has just ended",
    [{ state: ended(1) }],
    "CrashLoopBackOff: the container app ended with exit code 1.",
  ],
  [
    "a container that waits to be started again",
    [{ state: waiting("CrashLoopBackOff"), lastState: ended(1), restarts: 4 }],
    "CrashLoopBackOff: the container app ended with exit code 1.",
  ],
  [
    "a container that runs again",
    [{ state: runs("2026-11-22T09:59:30Z"), lastState: ended(1), restarts: 4 }],
    "CrashLoopBackOff: the container app ended with exit code 1.",
  ],
  [
    "a container without memory",
    [{ state: waiting("CrashLoopBackOff"), lastState: ended(137, "OOMKilled"), restarts: 4 }],
    "CrashLoopBackOff: the container app ended with exit code 137 (OOMKilled).",
  ],
  [
    "a reason that is more than a word",
    [{ state: ended(3, `x ${SECRET}`) }],
    "CrashLoopBackOff: the container app ended with exit code 3.",
  ],
  [
    "a program that ends without a fault",
    [{ state: waiting("CrashLoopBackOff"), lastState: ended(0, "Completed"), restarts: 1 }],
    "CrashLoopBackOff: the container app ended with exit code 0.",
  ],
  [
    "an init container that crashes",
    [{ init: true, state: waiting("CrashLoopBackOff"), lastState: ended(2), restarts: 1 }],
    "CrashLoopBackOff: the init container app ended with exit code 2.",
  ],
  ["an init container that is done", [{ init: true, ready: true, state: ended(0, "Completed") }], undefined],
  [
    "a crash of long ago",
    [{ state: runs("2026-11-22T09:40:00Z"), lastState: ended(255), restarts: 40 }],
    undefined,
  ],
  [
    "a container that ended after a long time",
    [{ state: runs("2026-11-22T09:59:59Z"), lastState: ended(255, "Error", 1200), restarts: 1 }],
    undefined,
  ],
  [
    "no node",
    [
      {
        unscheduled: {
          reason: "Unschedulable",
          message: `${quota} preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.`,
        },
      },
    ],
    `Unschedulable: ${quota}`,
  ],
  [
    "no node, in the words of 1.34",
    [
      {
        unscheduled: {
          reason: "Unschedulable",
          message: `${quota} no new claims to deallocate, preemption: 0/3 nodes are available.`,
        },
      },
    ],
    `Unschedulable: ${quota}`,
  ],
  [
    "a scheduler that writes lines",
    [{ unscheduled: { reason: "Unschedulable", message: "a\nb\u202ec" } }],
    "Unschedulable: a b c.",
  ],
  [
    "a scheduler that writes much",
    [{ unscheduled: { reason: "Unschedulable", message: "x".repeat(5000) } }],
    `Unschedulable: ${"x".repeat(284)}…`,
  ],
  ["a pod that begins", [{ state: waiting("ContainerCreating") }], undefined],
  ["a container that is not ready yet", [{ state: runs("2026-11-22T09:59:59Z") }], undefined],
  ["a pod that was given up", [{ phase: "Failed", reason: "Evicted" }], undefined],
  [
    "a pod that is being deleted",
    [{ state: ended(1), metadata: { deletionTimestamp: context.now } }],
    undefined,
  ],
  ["a pod of another Deployment", [{ state: ended(1), metadata: { ownerReferences: [] } }], undefined],
  [
    "a pod outside the Deployment's selector",
    [{ state: ended(1), metadata: { labels: { "pod-template-hash": "b" } } }],
    undefined,
  ],
  [
    "a pod of an older template",
    [{ name: "web-a-x", hash: "a", state: ended(1) }, { state: waiting("ContainerCreating") }],
    undefined,
  ],
  [
    "pods of both templates",
    [{ name: "web-a-x", hash: "a", state: ended(1) }, { state: ended(2) }],
    "CrashLoopBackOff: the container app ended with exit code 2.",
  ],
  [
    "an image before a crash, and that before the scheduler",
    [
      { name: "1", unscheduled: { reason: "Unschedulable", message: quota } },
      { name: "2", state: ended(1) },
      { name: "3", state: waiting("ErrImagePull") },
    ],
    `ImagePullBackOff: the image ${IMAGE} of the container app can't be pulled.`,
  ],
];

for (const [name, given, said] of rows) {
  t.test(name, async (t) => {
    const status = statusOf(given);
    t.equal(status.problem, said);
    t.equal(status.phase, "Starting");
    t.equal(
      status.message,
      `0 of 3 replicas of the Deployment web available.${said === undefined ? "" : ` ${said}`}`,
    );
    t.notMatch(JSON.stringify(status), SECRET);
    const turned = statusOf(given.toReversed().map((parts, at) => ({ ...parts, name: `other-${at}` })));
    t.equal(turned.problem, said, "whatever the pods are called");
  });
}

const closely: readonly [given: PodParts, said: string][] = [
  [
    { state: waiting("ContainerCreating") },
    "ContainerCreating: the container app is not made yet; kubectl describe pod shows why.",
  ],
  [
    { state: runs("2026-11-22T09:59:59Z") },
    "NotReady: the container app runs, and its probe says that it is not ready.",
  ],
  [
    { init: true, state: runs("2026-11-22T09:59:59Z") },
    "PodInitializing: the init container app has not ended yet.",
  ],
  [{ phase: "Failed", reason: "Evicted" }, "Evicted: a pod was given up."],
  [{ phase: "Failed", reason: SECRET }, "Failed: a pod was given up."],
];

t.test("what passes by itself as a rule is told where it is Degraded", async (t) => {
  for (const [given, said] of closely) {
    const status = statusOf([given], { available: 2, status: running });
    t.match(status, { phase: "Degraded", problem: said });
    t.notMatch(JSON.stringify(status), SECRET);
  }
});

t.test("the Deployment's controller says which template is the newest", async (t) => {
  const owned = deployment(
    3,
    {},
    {
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      conditions: [
        {
          type: "Progressing",
          status: "True",
          reason: "ReplicaSetUpdated",
          message: 'ReplicaSet "web-a" is progressing.',
        },
      ],
    },
  );
  const pods = [
    pod({ name: "1", hash: "a", state: ended(1) }),
    pod({ name: "2", hash: "b", state: ended(2) }),
  ];
  t.match(sync(request({ owned: [owned], pods }), context).response.status, { problem: /exit code 1\./ });
});

t.test("a pod that can't be read is none, and nothing else suffers", async (t) => {
  const bad = { ...pod({ name: "1", state: ended(1) }), status: { containerStatuses: "none" } };
  const pods = [bad, pod({ name: "2", state: ended(2) })];
  const { status } = sync(request({ owned: [deployment(3, {}, 0)], pods }), context).response;
  t.match(status, { phase: "Starting", problem: /exit code 2\./ });
});

t.test("a time that is none costs the sentence and not the answer", async (t) => {
  const odd = { terminated: { exitCode: 1, startedAt: null, finishedAt: "yesterday" } };
  t.equal(statusOf([{ state: runs("now"), lastState: odd, restarts: 1 }]).problem, undefined);
});

t.test("nothing is asked of pods where it is off, and nothing told where it is up", async (t) => {
  const pods = [pod({ state: ended(1) })];
  for (const given of [
    { spec: { enabled: false }, owned: [deployment(0)] },
    { spec: { enabled: false }, owned: [deployment(0, {}, 1)] },
    { owned: [deployment(3)], status: running },
  ]) {
    const { status = {} } = sync(request({ ...given, pods }), context).response;
    t.match(status, { phase: /^(Off|Stopping|Running)$/ });
    t.notOk("problem" in status);
  }
});
