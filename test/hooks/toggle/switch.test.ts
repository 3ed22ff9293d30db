// SPDX-License-Identifier: Apache-2.0
// Tests what decides about a Toggle with a schedule, and until when: the schedule, a command, an edit or spec.until, with whatever
// may become of the status in between.
import t from "tap";
import type { ManagedFieldsEntry } from "../../../hooks/kubernetes.ts";
import type { ToggleSpec, ToggleStatus } from "../../../hooks/toggle/schema.ts";
import { sync } from "./hooks.ts";
import { context, deployment, request } from "./request.ts";

/** 2026-11-23 is a Monday. */
const schedule = [{ timeZone: "UTC", on: ["Mon-Fri 08:00-18:00"] }];
const timeAt = (time: string): string => `2026-11-${time}:00Z`;

/** What the API server notes of a manager that set fields of the spec. */
const wrote = (manager: string, time: string, ...fields: string[]): ManagedFieldsEntry => ({
  manager,
  operation: "Update",
  time: timeAt(time),
  fieldsV1: { "f:spec": Object.fromEntries(fields.map((field) => [`f:${field}`, {}])) },
});
const edited = (time: string, ...fields: string[]) => wrote("kubectl-edit", time, "enabled", ...fields);

interface Given {
  readonly spec?: Partial<ToggleSpec>;
  readonly by?: readonly ManagedFieldsEntry[];
  readonly status?: ToggleStatus | undefined;
}

const answer = (now: string, { spec = {}, by, status }: Given) =>
  sync(
    request({
      notSwitched: true,
      spec: { schedule, ...spec },
      owned: [deployment(3)],
      metadata: by === undefined ? {} : { managedFields: [...by] },
      ...(status !== undefined && { status }),
    }),
    { ...context, now: timeAt(now) },
  ).response;
const statusAt = (now: string, given: Given): ToggleStatus =>
  (answer(now, given).status ?? {}) as ToggleStatus;

/** `On by Schedule, 23T18:00 Off` */
const verdict = ({ desiredReplicas, decidedBy, nextChange }: ToggleStatus): string =>
  `${desiredReplicas === 0 ? "Off" : "On"} by ${decidedBy}, ${nextChange?.time.slice(8, 16)} ${nextChange?.to}`;
const verdictAt = (now: string, given: Given): string => verdict(statusAt(now, given));

const off = { enabled: false } as const;
const on = { enabled: true } as const;

const rows: readonly [name: string, given: Given, verdicts: Record<string, string>][] = [
  [
    "without enabled the schedule decides, from the start",
    {},
    {
      "23T10:00": "On by Schedule, 23T18:00 Off",
      "23T18:00": "Off by Schedule, 24T08:00 On",
      "28T10:00": "Off by Schedule, 30T08:00 On",
    },
  ],
  [
    "off by an edit at 10:00 holds until the window ends; then the schedule has it, whatever enabled says",
    { spec: off, by: [edited("23T10:00")] },
    {
      "23T10:00": "Off by Spec, 23T18:00 Off",
      "23T17:59": "Off by Spec, 23T18:00 Off",
      "23T18:00": "Off by Schedule, 24T08:00 On",
      "24T08:00": "On by Schedule, 24T18:00 Off",
    },
  ],
  [
    "on by a command in the evening holds until the window begins",
    { spec: on, by: [wrote("keyswitch-bot", "23T19:00", "enabled", "requestedBy")] },
    {
      "23T19:00": "On by Command, 24T08:00 On",
      "24T08:00": "On by Schedule, 24T18:00 Off",
      "24T18:00": "Off by Schedule, 25T08:00 On",
    },
  ],
  [
    "a switch that the hook was down for, over an edge",
    { spec: on, by: [edited("23T17:00")] },
    { "23T19:00": "Off by Schedule, 24T08:00 On" },
  ],
  [
    "a schedule for a Toggle that was switched long ago",
    { spec: off, by: [edited("20T10:00")] },
    { "23T10:00": "On by Schedule, 23T18:00 Off" },
  ],
  ["no record and no status: the schedule", { spec: off }, { "23T10:00": "On by Schedule, 23T18:00 Off" }],
  [
    "no record, but the time of the request",
    { spec: { ...off, requestedAt: timeAt("23T09:00") } },
    { "23T10:00": "Off by Spec, 23T18:00 Off", "23T19:00": "Off by Schedule, 24T08:00 On" },
  ],
  [
    "a clock that is ahead",
    { spec: off, by: [edited("23T18:30")] },
    { "23T10:00": "Off by Spec, 23T18:00 Off" },
  ],
  [
    "in the second of an edge the hand wins",
    { spec: on, by: [edited("23T18:00")] },
    { "23T18:00": "On by Spec, 24T08:00 On" },
  ],
  [
    "of two that agree the first has set it",
    { spec: on, by: [edited("23T19:30"), wrote("argocd", "23T17:00", "enabled")] },
    { "23T20:00": "Off by Schedule, 24T08:00 On" },
  ],
  [
    "until holds over edges, switches off, and ends with the next edge",
    { spec: { ...on, until: timeAt("23T20:00") }, by: [edited("23T10:00", "until")] },
    {
      "23T17:00": "On by Spec, 23T20:00 Off",
      "23T19:00": "On by Spec, 23T20:00 Off",
      "23T20:00": "Off by Until, 24T08:00 On",
      "24T08:00": "On by Schedule, 24T18:00 Off",
    },
  ],
  [
    "until within the window is off for the rest of it",
    { spec: { ...on, until: timeAt("23T11:00") }, by: [edited("23T10:00", "until")] },
    { "23T11:00": "Off by Until, 23T18:00 Off", "24T09:00": "On by Schedule, 24T18:00 Off" },
  ],
  [
    "off until some day is off over all edges",
    { spec: { ...off, until: timeAt("25T00:00") }, by: [edited("23T10:00", "until")] },
    {
      "24T10:00": "Off by Spec, 25T08:00 On",
      "25T07:00": "Off by Until, 25T08:00 On",
      "25T08:00": "On by Schedule, 25T18:00 Off",
    },
  ],
  [
    "until without enabled leaves it to the schedule before",
    { spec: { until: timeAt("23T12:00") }, by: [wrote("x", "23T09:00", "until")] },
    {
      "23T10:00": "On by Schedule, 23T12:00 Off",
      "23T12:00": "Off by Until, 23T18:00 Off",
      "24T08:00": "On by Schedule, 24T18:00 Off",
    },
  ],
  [
    "a time that an edge had followed when somebody switched is used up",
    { spec: { ...on, until: timeAt("23T12:00") }, by: [edited("24T19:00", "until")] },
    { "24T19:00": "On by Spec, 25T08:00 On" },
  ],
  [
    "a time that had passed when it was written, with no edge since, is off from then",
    { spec: { ...on, until: timeAt("23T12:00") }, by: [edited("23T13:00", "until")] },
    { "23T14:00": "Off by Until, 23T18:00 Off", "24T08:00": "On by Schedule, 24T18:00 Off" },
  ],
];
for (const [name, given, verdicts] of rows) {
  t.test(name, async (t) => {
    for (const [now, expected] of Object.entries(verdicts)) {
      t.equal(verdictAt(now, given), expected, `at ${now}, without a status`);
    }
    // The same with the status that each sync leaves, and where every other one is lost or emptied.
    for (const lost of [() => false, (index: number) => index % 2 === 1]) {
      let status: ToggleStatus | undefined;
      for (const [index, [now, expected]] of Object.entries(verdicts).entries()) {
        status = statusAt(now, { ...given, status: lost(index) ? undefined : status });
        t.equal(verdict(status), expected, `at ${now}, with the status before`);
      }
    }
  });
}

t.test("it asks for a sync at the edge exactly, and at least once a day", async (t) => {
  t.equal(answer("23T10:00", {}).resyncAfterSeconds, 8 * 3600);
  t.equal(answer("28T10:00", {}).resyncAfterSeconds, 24 * 3600);
  const late = sync(request({ notSwitched: true, spec: { schedule } }), {
    ...context,
    now: "2026-11-23T17:59:59Z",
  });
  t.equal(late.response.resyncAfterSeconds, 1);
  const always = [{ timeZone: "UTC", off: ["0 0 29 2 *"] }];
  t.equal(answer("23T10:00", { spec: { schedule: always } }).resyncAfterSeconds, 24 * 3600);
});

t.test("the status remembers when it was switched, whatever the manager sets later", async (t) => {
  const status = statusAt("23T17:00", { spec: on, by: [edited("23T17:00")] });
  t.match(status.switched, { time: timeAt("23T17:00"), by: "Spec" });
  const given = { spec: { ...on, replicas: 5 }, by: [edited("23T19:00", "replicas")], status };
  t.equal(verdictAt("23T19:00", given), "Off by Schedule, 24T08:00 On");
});

t.test("a time that is ahead of the clock is remembered as now", async (t) => {
  const status = statusAt("23T10:00", { spec: off, by: [edited("23T18:30")] });
  t.match(status.switched, { time: timeAt("23T10:00") });
  t.equal(
    verdictAt("23T18:00", { spec: off, by: [edited("23T18:30")], status }),
    "Off by Schedule, 24T08:00 On",
  );
});

t.test("without a record a switch that the status does not know is one of now", async (t) => {
  const status = statusAt("23T09:00", { spec: { ...on, requestedAt: timeAt("23T09:00") } });
  t.equal(verdictAt("23T10:00", { spec: off, status }), "Off by Spec, 23T18:00 Off");
});

t.test("the same switch again needs another requestedAt", async (t) => {
  const first = { ...off, requestedAt: timeAt("23T10:00") };
  const status = statusAt("24T09:00", { spec: first, by: [edited("23T10:00", "requestedAt")] });
  t.equal(verdict(status), "On by Schedule, 24T18:00 Off");
  const again = { ...off, requestedAt: timeAt("24T10:00") };
  const by = [edited("24T10:00", "requestedAt")];
  t.equal(verdictAt("24T10:00", { spec: again, by, status }), "Off by Spec, 24T18:00 Off");
});

t.test("the message says what decided, and until when", async (t) => {
  const message = (now: string, given: Given) => statusAt(now, given).message;
  t.match(message("23T10:00", {}), /spec\.schedule has it on until 2026-11-23T18:00:00Z\.$/);
  const by = [wrote("keyswitch-bot", "23T10:00", "enabled")];
  t.match(
    message("23T10:00", { spec: off, by }),
    /A command has it off until 2026-11-23T18:00:00Z, whatever/,
  );
  t.match(message("23T10:00", { spec: off, by: [edited("23T10:00")] }), /spec\.enabled has it off until/);
});

t.test("a status without news stays the same bytes until the edge", async (t) => {
  for (const given of [{}, { spec: off, by: [edited("23T09:30")] }]) {
    const status = statusAt("23T10:00", given);
    const settled = statusAt("23T10:00", { ...given, status });
    t.equal(JSON.stringify(statusAt("23T17:59", { ...given, status: settled })), JSON.stringify(settled));
    t.not(JSON.stringify(statusAt("23T18:00", { ...given, status: settled })), JSON.stringify(settled));
  }
});

t.test("a schedule that can't be used switches nothing, and says which field it is", async (t) => {
  const before = statusAt("23T10:00", { spec: on, by: [edited("23T10:00")] });
  const wrong = [...schedule, { timeZone: "Mars/Olympus", on: ["Mon"] }];
  for (const enabled of [true, false]) {
    const response = answer("23T12:00", { spec: { enabled, schedule: wrong }, status: before });
    const status = (response.status ?? {}) as ToggleStatus;
    t.match(status, { phase: "Blocked", desiredReplicas: 3, lastReplicas: 3 });
    t.match(
      status.message,
      /^spec\.schedule\[1\]\.timeZone: "Mars\/Olympus" .* Until then nothing is switched/,
    );
    t.ok(status.conditions?.some(({ type, status: is }) => type === "Stalled" && is === "True"));
    t.equal(status.decidedBy, undefined);
    t.equal(status.nextChange, undefined);
    t.match(response.children, [{ spec: { replicas: 3 } }]);
  }
});

t.test("no clock is read", async (t) => {
  const RealDate = globalThis.Date;
  t.teardown(() => {
    globalThis.Date = RealDate;
  });
  globalThis.Date = new Proxy(RealDate, {
    construct: () => ({ failed: t.fail("new Date") }),
    apply: () => t.fail("Date()"),
    get: () => t.fail("Date.now"),
  });
  const crons = [{ timeZone: "Europe/Berlin", on: ["0 8 * * 1-5", "Sat 10:00-12:00"], off: ["0 18 * * *"] }];
  const said = answer("23T10:00", { spec: { schedule: crons } }).status as ToggleStatus;
  globalThis.Date = RealDate;
  t.equal(verdict(said), "On by Schedule, 23T17:00 Off");
});
