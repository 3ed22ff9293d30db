// SPDX-License-Identifier: Apache-2.0
// Tests a Toggle whose Deployment something else scales: reported from the third put-back on, without hot looping.
import t from "tap";
import type { ManagedFieldsEntry, ObjectMeta, StringMap } from "../../../hooks/kubernetes.ts";
import { PUT_BACK } from "../../../hooks/toggle/deployment.ts";
import type { ToggleSpec, ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { sync } from "./hooks.ts";
import { context, deployment, request, UID } from "./request.ts";

/** Who applies for the Toggle, and who scales beside it. */
const managedFields: ManagedFieldsEntry[] = [
  {
    manager: "metacontroller",
    operation: "Apply",
    fieldsV1: { "f:metadata": { "f:ownerReferences": { [`k:{"uid":"${UID}"}`]: {} } } },
  },
  { manager: "kube-controller-manager", fieldsV1: { "f:spec": { "f:replicas": {} } } },
];

/** A Toggle for a Deployment of three; each answer is applied, and each status written. */
const fight = (spec: Partial<ToggleSpec> = {}, replicas = 3) => {
  let seconds = 0;
  let generation = 1;
  let status: ToggleStatus = {};
  let toggleGeneration = 1;
  let annotations: StringMap = {};
  /** `shown` is the status that the engine has in its cache. */
  const look = (count: number, at = generation, shown = status) => {
    const now = new Date(Date.UTC(2026, 10, 22, 10) + seconds * 1000).toISOString();
    const isOurs = annotations[PUT_BACK] !== undefined && count === replicas;
    const owned = [
      deployment(
        count,
        { generation: at, managedFields: isOurs ? managedFields.slice(0, 1) : managedFields, annotations },
        { observedGeneration: at, replicas: count, updatedReplicas: count, availableReplicas: count },
      ),
    ];
    const input = request({ spec, status: shown, owned, metadata: { generation: toggleGeneration } });
    const { response, events } = sync(input, { ...context, now });
    const before = JSON.stringify(status);
    status = response.status as ToggleStatus;
    const asked = (response.children[0]?.spec as { replicas: number }).replicas;
    annotations = (response.children[0]?.metadata as ObjectMeta).annotations ?? {};
    if (asked !== count) generation = at + 1;
    const contended = status.conditions?.find(({ type }) => type === "Contended");
    return {
      status,
      events,
      asked,
      contended,
      changed: before !== JSON.stringify(status),
      resync: response.resyncAfterSeconds,
    };
  };
  look(replicas);
  return {
    look,
    /** The other sets `count`; after it is put back, the engine shows the status that was before. */
    raiseUnseen: (count: number) => {
      generation += 1;
      const before = status;
      look(count);
      return look(replicas, generation, before);
    },
    copy: (note: string) => {
      annotations = { ...annotations, [PUT_BACK]: note };
    },
    /** The other sets `count`; the Toggle sees it, puts it back, and may see that too. */
    raise: (count: number, isSeen = true) => {
      generation += 1;
      const seen = look(count);
      return isSeen ? look(seen.asked) : seen;
    },
    wait: (more: number) => {
      seconds += more;
    },
    change: (part: Partial<ToggleStatus>) => {
      status = { ...status, ...part };
    },
    edit: () => {
      toggleGeneration += 1;
    },
  };
};

t.test("the third put-back in a row is told, with who scales and what to do", async (t) => {
  const { raise, look } = fight();
  t.equal(raise(5).contended, undefined);
  t.equal(raise(5).contended, undefined);
  const { contended, status } = raise(5);
  t.match(contended, { status: "True", reason: "ScaledByOthers" });
  t.match(contended?.message, /field manager kube-controller-manager\).*put back to 3 replicas.*Floor/);
  t.match(status, { phase: "Degraded", lastScaled: { putBacks: 3 }, desiredReplicas: 3 });
  t.ok(status.conditions?.some(({ type }) => type === "Stalled"));
  t.equal(status.message, contended?.message, "and it is said once");
  t.notOk(look(3).changed);
});

t.test("it is told as well where the other is so fast that the put-back is never seen", async (t) => {
  const { raise } = fight();
  t.equal(raise(5, false).contended, undefined);
  t.equal(raise(6, false).contended, undefined);
  t.match(raise(5, false).contended, { status: "True" });
});

t.test("it is told where each sync after a put-back is shown the status of before", async (t) => {
  const { raiseUnseen, look } = fight();
  t.match(raiseUnseen(5), { contended: undefined, status: { lastScaled: { putBacks: 1 } } });
  t.match(raiseUnseen(5), { contended: undefined, status: { lastScaled: { putBacks: 2 } } });
  const { contended, status } = raiseUnseen(5);
  t.match(contended?.message, /field manager kube-controller-manager\).*put back to 3 replicas/);
  t.match(status, { phase: "Degraded", lastScaled: { putBacks: 3 } });
  t.notOk(look(3).changed);
});

t.test(
  "a note that is none, is of another spec or comes from another Deployment counts for nothing",
  async (t) => {
    const note = {
      toggle: UID,
      spec: 1,
      replicas: 3,
      generation: 1,
      putBacks: 2,
      time: "2026-11-22T10:00:00Z",
      by: ["x"],
    };
    const others = [{ toggle: "other" }, { spec: 2 }, { replicas: 4 }, { generation: 9 }, { by: "x" }];
    for (const text of ["", "{", "null", ...others.map((other) => JSON.stringify({ ...note, ...other }))]) {
      const { raise, copy } = fight();
      copy(text);
      t.match(raise(5), { contended: undefined, status: { lastScaled: { putBacks: 1 } } }, text);
    }
    const { raise, copy } = fight();
    copy(JSON.stringify({ ...note, generation: 0 }));
    t.match(raise(5), { status: { lastScaled: { putBacks: 3 } } });
  },
);

t.test("the same change seen again is not another one", async (t) => {
  const { look } = fight();
  for (let round = 0; round < 9; round += 1) {
    t.equal(look(5, 2).status.lastScaled?.putBacks, 1);
  }
});

t.test(
  "eighty raises in forty seconds change nothing but the counts of pods, and post no event",
  async (t) => {
    const { raise, wait } = fight();
    for (let round = 0; round < 3; round += 1) raise(5);
    /** Everything that is not counted by the Deployment's own controller. */
    const told = ({ replicas: _, readyReplicas: __, availableReplicas: ___, ...rest }: ToggleStatus) => rest;
    const first = told(raise(5).status);
    for (let round = 0; round < 80; round += 1) {
      wait(0.5);
      const { status, events } = raise(5, round % 2 === 0);
      t.strictSame(told(status), first);
      t.strictSame(events, []);
    }
    wait(30);
    t.match(raise(5).status, { lastScaled: { putBacks: 3, time: "2026-11-22T10:01:10.000Z" } });
  },
);

t.test("ten quiet minutes end it, and nothing changes in between but the phase", async (t) => {
  const { raise, look, wait } = fight();
  raise(5);
  raise(5);
  const { resync } = raise(5);
  t.equal(resync, 120);
  wait(119);
  t.notOk(look(3).changed);
  wait(1);
  const quiet = look(3);
  t.match(quiet.status, { phase: "Running" });
  t.match(quiet.contended, { status: "True" });
  t.match(quiet.status.message, /available\. Something else/);
  t.equal(quiet.resync, 540);
  wait(539);
  t.notOk(look(3).changed);
  wait(1);
  const over = look(3);
  t.equal(over.contended, undefined);
  t.equal(over.status.lastScaled, undefined);
  t.equal(over.resync, undefined);
  t.notOk(look(3).changed);
});

t.test("put-backs far apart are not in a row", async (t) => {
  const { raise, wait } = fight();
  for (let round = 0; round < 5; round += 1) {
    wait(601);
    t.match(raise(5), { contended: undefined, status: { phase: "Running", lastScaled: { putBacks: 1 } } });
  }
});

t.test("the count of a Deployment that was somebody else's before is no put-back", async (t) => {
  const { raise, look, change } = fight();
  change({ phase: "Conflict" });
  t.match(look(5).status, { lastScaled: { putBacks: 0 } });
  raise(5);
  t.equal(raise(5).contended, undefined);
  t.match(raise(5).contended, { status: "True" });
});

t.test("a change of the spec begins anew", async (t) => {
  const { raise, edit, look } = fight();
  for (let round = 0; round < 3; round += 1) raise(5);
  edit();
  t.match(look(3), { contended: undefined, status: { phase: "Running", lastScaled: undefined } });
});

t.test("what keeps scaling up a Toggle that is off is told too", async (t) => {
  const { raise } = fight({ enabled: false }, 0);
  for (let round = 0; round < 2; round += 1) raise(2);
  const { contended, status } = raise(2);
  t.match(contended?.message, /put back to 0 replicas.*Pause what scales it/);
  t.match(status, { phase: "Stopping" });
});

t.test("an autoscaler below the floor is told to have a higher minimum", async (t) => {
  const { raise } = fight({ replicaPolicy: "Floor", replicas: 3 });
  for (let round = 0; round < 2; round += 1) raise(1);
  t.match(raise(1).contended?.message, /minimum of at least 3/);
});
