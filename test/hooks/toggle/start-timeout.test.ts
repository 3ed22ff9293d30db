// SPDX-License-Identifier: Apache-2.0
// Tests that a start without progress is Degraded in time and not before, and that nothing else moves its status.
import t from "tap";
import type { Deployment } from "../../../hooks/toggle/deployment.ts";
import { ended, pod, running as runs, waiting } from "./pods.ts";
import { deployment, template } from "./request.ts";
import { at, SyncedToggle } from "./start.ts";
import { rolling, running, stopped } from "./sync-row.ts";

/** demo/web with 3 replicas, of which so many are up. */
const web = (available: number, meta: Deployment["metadata"] | Record<string, unknown> = {}) => ({
  owned: [deployment(3, meta, available)],
});
const conditionsOf = ({ status }: SyncedToggle) => {
  const { conditions = [] } = status as { conditions?: { type: string }[] };
  return conditions.map(({ type }) => type);
};

t.test(
  "ten minutes without progress are Degraded, still Reconciling, and told with the minute",
  async (t) => {
    const toggle = new SyncedToggle(stopped);
    t.match(toggle.sync(0, web(0)), {
      status: { phase: "Starting", progress: { time: at(0) } },
      resync: 600,
    });
    const bytes = JSON.stringify(toggle.status);
    t.match(toggle.sync(599.5, web(0)), { resync: 1, events: 0 });
    t.equal(JSON.stringify(toggle.status), bytes);
    const late = toggle.sync(600, web(0));
    t.equal(late.status.phase, "Degraded");
    t.equal(
      late.status.message,
      "0 of 3 replicas of the Deployment web available. No progress since 2026-11-22 10:00 UTC.",
    );
    t.equal(late.resync, undefined);
    t.same(conditionsOf(toggle), ["Ready", "Reconciling"]);
    t.match(toggle.events.at(-1), { type: "Warning", reason: "Degraded", message: /No progress since/ });
    t.match(toggle.sync(9999, web(0)), { status: late.status, events: 0 });
    t.equal(toggle.writes, 2);
  },
);

t.test("after it the start goes on by itself", async (t) => {
  const toggle = new SyncedToggle(stopped);
  for (const seconds of [0, 700]) toggle.sync(seconds, web(0));
  t.match(toggle.sync(800, web(1)), {
    status: { phase: "Starting", progress: { time: at(800) } },
    resync: 600,
  });
  const { status, resync } = toggle.sync(900, web(3));
  t.equal(status.phase, "Running");
  t.notOk("progress" in status);
  t.equal(resync, undefined);
  t.same(toggle.phases, ["Starting", "Degraded", "Starting", "Running"]);
  t.match(
    toggle.sync(1000, web(2)).status,
    { phase: "Degraded" },
    "what was up and falls is Degraded at once",
  );
  t.notOk("progress" in toggle.status);
});

t.test("only what was never reached before is progress", async (t) => {
  const toggle = new SyncedToggle(stopped);
  toggle.sync(0, web(0));
  t.match(toggle.sync(100, web(1)).status.progress, { time: at(100), available: 1 });
  t.match(toggle.sync(200, web(0)).status.progress, { time: at(100), available: 1 });
  t.match(toggle.sync(300, web(1)).status.progress, { time: at(100), available: 1 });
  t.match(toggle.sync(400, web(2)).status.progress, { time: at(400), available: 2 });
  t.equal(toggle.sync(999, web(2)).status.phase, "Starting");
  t.equal(toggle.sync(1000, web(1)).status.phase, "Degraded");
});

t.test("pods that have to be ready for longer than it are given that time as well", async (t) => {
  const slow = (ready: number, available: number) => {
    const one = deployment(3, {}, { ...rolling(3, available, [], 3), readyReplicas: ready });
    return { owned: [{ ...one, spec: { ...one.spec, minReadySeconds: 900 } }] };
  };
  const toggle = new SyncedToggle(stopped);
  toggle.sync(0, slow(0, 0));
  t.match(toggle.sync(100, slow(3, 0)), {
    status: { phase: "Starting", progress: { time: at(100) } },
    resync: 1500,
  });
  t.equal(toggle.sync(1000, slow(3, 0)).status.phase, "Starting");
  t.equal(toggle.sync(1001, slow(3, 3)).status.phase, "Running");
});

t.test("the fewest pods of older templates are progress of a rollout", async (t) => {
  const rollout = (updated: number, replicas: number) => ({
    owned: [
      deployment(3, { generation: 2 }, { ...rolling(updated, 3, [], replicas), observedGeneration: 2 }),
    ],
  });
  const toggle = new SyncedToggle(running);
  t.match(toggle.sync(0, { owned: [deployment(3, { generation: 2 })] }).status, {
    phase: "Starting",
    progress: { generation: 2, time: at(0), updated: undefined },
  });
  t.match(toggle.sync(5, rollout(1, 4)).status.progress, { time: at(5), updated: 1, outdated: 3 });
  t.match(toggle.sync(300, rollout(1, 3)).status.progress, { time: at(300), updated: 1, outdated: 2 });
  t.match(toggle.sync(899, rollout(1, 4)).status, {
    phase: "Starting",
    progress: { time: at(300), outdated: 2 },
  });
  t.match(toggle.sync(900, rollout(1, 4)).status, {
    phase: "Degraded",
    message: /3 of 3 .*No progress since/,
  });
});

t.test(
  "another generation of the Deployment or another count is a new start; a switch that changes nothing is none",
  async (t) => {
    const toggle = new SyncedToggle(stopped);
    toggle.sync(0, web(0));
    toggle.sync(600, web(0));
    t.match(toggle.sync(700, { ...web(0), metadata: { generation: 2 } }).status, {
      phase: "Degraded",
      observedGeneration: 2,
    });
    const restarted = { generation: 2 };
    t.match(toggle.sync(800, web(0, restarted)).status, { phase: "Starting", progress: { time: at(800) } });
    t.equal(toggle.sync(1500, web(0, restarted)).status.phase, "Degraded");
    t.match(toggle.sync(1600, { owned: [deployment(4, restarted, 0)], spec: { replicas: 4 } }).status, {
      phase: "Starting",
      progress: { time: at(1600) },
    });
  },
);

t.test("a Deployment whose count can't be set, and one that can't be made, are as late", async (t) => {
  for (const given of [
    { owned: [deployment(0)] },
    { owned: [deployment(3, { generation: 2 }, 0)] },
    { spec: { template } },
    { related: [deployment(3, { ownerReferences: [] })] },
    { spec: { template, deploymentName: "other" }, metadata: { generation: 2 } },
    {
      spec: { deploymentName: "other" },
      metadata: { generation: 2 },
      related: [deployment(3, { name: "other", ownerReferences: [] })],
    },
  ]) {
    const toggle = new SyncedToggle(stopped);
    t.match(toggle.sync(0, given).status, { phase: "Starting" });
    t.match(toggle.sync(600, given).status, {
      phase: "Degraded",
      message: /No progress since 2026-11-22 10:00 UTC/,
    });
  }
});

t.test("it is Stalled where somebody has to provide what is missing, and only when it is late", async (t) => {
  for (const [state, late] of [
    [waiting("CreateContainerConfigError", 'secret "db" not found'), "Stalled"],
    [waiting("InvalidImageName"), "Stalled"],
    [waiting("ErrImageNeverPull"), "Stalled"],
    [waiting("ErrImagePull"), "Reconciling"],
    [ended(1), "Reconciling"],
  ] as const) {
    const toggle = new SyncedToggle(stopped);
    const given = { ...web(0), pods: [pod({ state })] };
    toggle.sync(0, given);
    t.same(conditionsOf(toggle), ["Ready", "Reconciling"]);
    toggle.sync(600, given);
    t.same(conditionsOf(toggle), ["Ready", late]);
  }
});

t.test("late, what passes by itself as a rule is told, once, and before the time", async (t) => {
  const toggle = new SyncedToggle(stopped);
  const given = { ...web(0), pods: [pod({ state: waiting("ContainerCreating") })] };
  t.equal(toggle.sync(0, given).status.message, "0 of 3 replicas of the Deployment web available.");
  t.equal(
    toggle.sync(600, given).status.message,
    "0 of 3 replicas of the Deployment web available. ContainerCreating: the container app is not made yet; kubectl describe pod shows why. No progress since 2026-11-22 10:00 UTC.",
  );
});

t.test("0 allows a start any time, and a paused rollout is none", async (t) => {
  const toggle = new SyncedToggle(stopped, 0);
  t.equal(toggle.sync(0, web(0)).resync, undefined);
  t.equal(toggle.sync(1e6, web(0)).status.phase, "Starting");
  const one = deployment(3, {}, rolling(0, 3));
  const paused = new SyncedToggle(running);
  const given = { owned: [{ ...one, spec: { ...one.spec, paused: true } }] };
  t.equal(paused.sync(0, given).resync, undefined);
  t.equal(paused.sync(1e6, given).status.phase, "Starting");
});

t.test(
  "a failed rollout is Degraded and Stalled at once while pods of before serve, with the reason of its pods",
  async (t) => {
    const late = rolling(
      1,
      3,
      [
        ["Available", "True", "x"],
        ["Progressing", "False", "ProgressDeadlineExceeded"],
      ],
      4,
    );
    const toggle = new SyncedToggle(running);
    const { status, resync } = toggle.sync(0, {
      owned: [deployment(3, {}, late)],
      pods: [
        pod({ name: "1", hash: "a", ready: true, state: runs(at(-600)) }),
        pod({ name: "2", state: waiting("ErrImagePull") }),
      ],
    });
    t.equal(status.phase, "Degraded");
    t.match(
      status.message,
      /^3 of 3 replicas .* available\. ProgressDeadlineExceeded: .* ImagePullBackOff: the image \S+ of the container app can't be pulled\.$/,
    );
    t.same(conditionsOf(toggle), ["Ready", "Stalled"]);
    t.equal(resync, undefined);
  },
);

t.test(
  "a quota is told with what is requested and its limit, whichever pod it refused and whatever else it is used for",
  async (t) => {
    const refused = (name: string, used: string) => ({
      owned: [
        deployment(
          3,
          {},
          {
            ...rolling(3, 1),
            conditions: [
              { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "late" },
              {
                type: "ReplicaFailure",
                status: "True",
                reason: "FailedCreate",
                message: `pods "web-b-${name}" is forbidden: exceeded quota: compute, requested: limits.cpu=1,limits.memory=1Gi, used: limits.cpu=${used},limits.memory=2Gi, limited: limits.cpu=4,limits.memory=2Gi`,
              },
            ],
          },
        ),
      ],
    });
    const toggle = new SyncedToggle(running);
    toggle.sync(0, refused("x7z2k", "3500m"));
    toggle.sync(60, refused("qq9fd", "4"));
    t.equal(toggle.writes, 1);
    t.equal(toggle.events.length, 1);
    t.match(toggle.status, {
      phase: "Degraded",
      message:
        "1 of 3 replicas of the Deployment web available. FailedCreate: exceeded quota: compute, requested: limits.cpu=1,limits.memory=1Gi, limited: limits.cpu=4,limits.memory=2Gi",
    });
  },
);

t.test("a progress of the future, or one that is none, is begun anew", async (t) => {
  for (const progress of [
    { generation: 1, time: at(9999), updated: 3, outdated: 0, ready: 0, available: 0 },
    "none",
  ]) {
    const toggle = new SyncedToggle({ ...running, phase: "Starting", progress });
    t.match(toggle.sync(0, web(0)), {
      status: { phase: "Starting", progress: { time: at(0) } },
      resync: 600,
    });
    t.equal(toggle.sync(600, web(0)).status.phase, "Degraded");
  }
});
