// SPDX-License-Identifier: Apache-2.0
// Tests the sync hook over several calls: stable statuses, If-None-Match, force-sync, repairs, events.
import t from "tap";
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { HookContext, Reading } from "../../../hooks/hsmsecret/index.ts";
import { plan, sync } from "./hooks.ts";
import {
  absent,
  base64,
  context,
  found,
  later,
  type RequestParts,
  request,
  secret,
  unavailable,
  unchanged,
} from "./request.ts";
import { inSync, other, token } from "./sync-rows.ts";

t.test("a status that nothing happened to does not change with the time", async (t) => {
  for (const reading of [unchanged, found(token), unavailable, absent]) {
    const once = sync(request({ owned: [secret(token)], status: inSync() }), context, reading).response;
    const status = once.status ?? {};
    const again = sync(request({ owned: [secret(token)], status }), later, reading).response;
    t.equal(JSON.stringify(again), JSON.stringify(once), reading.outcome);
  }
});

t.test("lastSyncTime moves when the Secret comes to hold a change, and at no other time", async (t) => {
  const at = (parts: RequestParts, reading: Reading, when: HookContext) =>
    sync(request(parts), when, reading).response.status ?? {};
  const first = inSync();
  t.equal(first.lastSyncTime, context.now);
  const writing = at({ owned: [secret(token)], status: first }, found(other), later);
  t.equal(writing.lastSyncTime, context.now, "not before the change is in the Secret");
  t.equal(at({ owned: [secret(other)], status: writing }, found(other), later).lastSyncTime, later.now);
});

t.test("If-None-Match is sent only where the Secret is known to hold what the checksum says", async (t) => {
  const checksum = context.checksums.of(checksumOfBase64(base64(token)));
  const match = (parts: RequestParts) => {
    const planned = plan(request(parts), context);
    return planned.read ? planned.ifNoneMatch : "not read";
  };
  t.equal(match({ owned: [secret(token)], status: inSync() }), checksum);
  t.equal(match({ owned: [secret(other)], status: inSync() }), undefined, "edited by hand");
  t.equal(match({ status: inSync() }), undefined, "no Secret");
  t.equal(match({ owned: [secret(token)] }), undefined, "no status");
  t.equal(
    match({ owned: [secret(token)], status: inSync(), metadata: { generation: 2 } }),
    undefined,
    "the spec has changed",
  );
  t.equal(
    match({ owned: [secret(token)], status: { syncStatus: 3 } }),
    undefined,
    "a status that is not ours",
  );
});

t.test("a new HSMSecret is read in full once", async (t) => {
  const first = sync(request(), context, found(token)).response;
  const annotations =
    (first.children[0]?.metadata as { annotations?: Record<string, string> }).annotations ?? {};
  const made = { owned: [secret(token, { annotations })], status: first.status ?? {} };
  t.match(plan(request(made), context), {
    ifNoneMatch: context.checksums.of(checksumOfBase64(base64(token))),
  });
  t.equal(sync(request(made), context, unchanged).outcome, "Synced");
  const mapped = { spec: { data: [{ key: "password", hsmKey: "password" }] }, ...made };
  t.notOk(Object.hasOwn(plan(request(mapped), context), "ifNoneMatch"), "a part of the content says less");
  const moved = { spec: { hsmPath: "secrets/demo/else" }, ...made };
  t.notOk(Object.hasOwn(plan(request(moved), context), "ifNoneMatch"), "and nothing of another path");
});

t.test("force-sync asks for a fresh view until a healthy token has answered", async (t) => {
  const metadata = { annotations: { "hsm.j5t.io/force-sync": "now" } };
  const spec = { autoSync: false };
  const given = { owned: [secret(token)], status: inSync(), metadata, spec };
  t.match(plan(request(given), context), { read: true, fresh: true });
  const failed = sync(request(given), context, unavailable).response.status ?? {};
  t.match(plan(request({ ...given, status: failed }), context), { read: true, fresh: true });
  const done = sync(request({ ...given, status: failed }), context, found(token)).response.status ?? {};
  t.equal(done.lastForceSync, "now");
  t.match(plan(request({ ...given, status: done }), context), { read: false });
});

t.test(
  "an edited Secret makes the answer differ from the one before, or Metacontroller would skip it",
  async (t) => {
    const calm = sync(request({ owned: [secret(token)], status: inSync() }), context, unchanged).response;
    const edited = (resourceVersion: string, annotations = {}) =>
      sync(
        request({ owned: [secret(other, { resourceVersion, annotations })], status: calm.status ?? {} }),
        context,
        found(token),
      ).response.children;
    t.notSame(edited("9"), calm.children);
    t.notSame(edited("9"), edited("10"), "and from the repair before");
    const marks = (edited("9")[0]?.metadata as { annotations: Record<string, string> }).annotations;
    t.equal(marks["hsm.j5t.io/replaced-resource-version"], "9");
    const repaired = request({ owned: [secret(token, { annotations: marks })], status: calm.status ?? {} });
    t.same(
      sync(repaired, context, unchanged).response.children,
      edited("9"),
      "and the marks stay afterwards",
    );
  },
);

t.test("a key that somebody added is overwritten, which makes it ours, and then left out", async (t) => {
  const ours = (operation: string, data: readonly string[]) => ({
    manager: "metacontroller",
    operation,
    fieldsV1: {
      "f:data": Object.fromEntries(data.map((key) => [`f:${key}`, {}])),
      "f:metadata": { "f:ownerReferences": { 'k:{"uid":"68455439-0481-4aba-a161-cd23399165db"}': {} } },
    },
  });
  const theirs = { manager: "kubectl-edit", operation: "Update", fieldsV1: { "f:data": { "f:extra": {} } } };
  const data = (extra: string, managedFields: object[]) =>
    sync(
      request({ owned: [secret({ ...token, extra }, { managedFields })], status: inSync() }),
      context,
      found(token),
    ).response.children[0]?.data;
  const apply = ours("Apply", ["password", "user"]);
  t.same(data("x", [apply, theirs]), base64({ ...token, extra: "" }), "overwritten");
  t.same(data("", [apply, theirs]), base64({ ...token, extra: "-" }), "overwritten with what it is not");
  t.same(data("", [ours("Apply", ["password", "user", "extra"])]), base64(token), "left out");
  t.same(
    data("x", [ours("Update", ["extra"])]),
    base64(token),
    "dynamic apply has it in the last applied state",
  );
  t.same(
    data("x", [apply, ours("Update", ["extra"])]),
    base64({ ...token, extra: "" }),
    "after a change from dynamic to server-side apply",
  );
  const stringData = {
    manager: "gitops",
    operation: "Apply",
    fieldsV1: { "f:stringData": { "f:extra": {} } },
  };
  t.same(
    data("x", [stringData, apply]),
    base64({ ...token, extra: "" }),
    "applied as stringData, which has no owner",
  );
  const markedBy = (operation: string, keys: readonly string[]) => ({
    manager: "metacontroller",
    operation,
    fieldsV1: {
      "f:data": Object.fromEntries(keys.map((key) => [`f:${key}`, {}])),
      "f:metadata": { "f:annotations": { "f:hsm.j5t.io/replaced-resource-version": {} } },
    },
  });
  t.same(
    data("", [ours("Apply", []), markedBy("Update", ["extra"])]),
    base64(token),
    "after a change from server-side to dynamic apply",
  );
  t.same(
    data("", [ours("Update", []), markedBy("Apply", ["extra"])]),
    base64(token),
    "after a change back to server-side apply",
  );
});

t.test("a Secret that is not written for long is told to be refused, once", async (t) => {
  const at = (seconds: number): HookContext => ({
    ...context,
    now: new Date(Date.UTC(2026, 10, 22, 10) + seconds * 1000).toISOString(),
  });
  const first = sync(request({}), at(0), found(token)).response;
  t.ok((first.resyncAfterSeconds ?? Infinity) <= 60, "and is looked at again when that is so long");
  const look = (status: Record<string, unknown> | undefined, seconds: number) =>
    sync(request({ status: status ?? {} }), at(seconds), found(token));
  const soon = look(first.status, 59);
  t.same([soon.response.status, soon.events], [first.status, []]);
  const late = look(first.status, 60);
  t.match(late.response.status, {
    lastError: /demo\/app has not been written.*ResourceQuota.*describe hsmsecret app -n demo/,
  });
  t.match(late.response.status, { conditions: [{ type: "Ready", status: "False", reason: "Applying" }] });
  t.match(late.events, [{ type: "Warning", reason: "Applying" }]);
  t.ok((late.response.children[0]?.metadata as { name: string }).name === "app", "and is asked for on");
  const later = look(late.response.status, 600);
  t.same([later.response.status, later.events], [late.response.status, []]);
  const there = sync(
    request({ owned: [secret(token)], status: late.response.status ?? {} }),
    at(601),
    found(token),
  );
  t.match(there, { outcome: "Synced", response: { status: { lastError: undefined } } });
});

t.test("the template's labels and annotations are on the Secret, in an outage too", async (t) => {
  const spec = { template: { labels: { team: "a" }, annotations: { "example.com/x": "y" } } };
  for (const reading of [found(token), unavailable]) {
    const child = sync(request({ spec, owned: [secret(token)] }), context, reading).response.children[0];
    t.match(child?.metadata, { labels: { team: "a" }, annotations: { "example.com/x": "y" } });
  }
});

t.test("events tell of changes only, and never more than the status does", async (t) => {
  const made = sync(request({}), context, found(token));
  t.match(made, { outcome: "Applying", events: [] }, "a Secret is told of when it is there");
  const first = sync(
    request({ owned: [secret(token)], status: made.response.status ?? {} }),
    context,
    found(token),
  );
  t.match(first.events, [{ type: "Normal", reason: "Synced" }]);
  const status = first.response.status ?? {};
  t.same(sync(request({ owned: [secret(token)], status }), later, unchanged).events, []);
  t.match(sync(request({ owned: [secret(token)], status }), later, unavailable).events, [
    { type: "Warning", reason: "HSMUnavailable" },
  ]);
});

t.test("no value is in a status or an event, whatever happens", async (t) => {
  const canary = "canary-4f1b";
  const data = { password: canary };
  const encoded = Buffer.from(canary).toString("base64");
  const owned = [secret(data)];
  const readings: Reading[] = [
    found(data),
    found({ ...data, "bad key": canary }),
    unavailable,
    absent,
    unchanged,
  ];
  for (const spec of [{}, { secretType: "x/y" }, { onMissing: "Delete" as const }]) {
    for (const reading of readings) {
      const { response, events } = sync(request({ spec, owned }), context, reading);
      const said = JSON.stringify([response.status, events]);
      t.notOk(said.includes(canary) || said.includes(encoded), `${reading.outcome} ${JSON.stringify(spec)}`);
    }
  }
});

t.test("autoSync false comes back to a reading that failed, and rests once it has succeeded", async (t) => {
  const spec = { autoSync: false };
  const failed = sync(request({ spec, owned: [secret(token)] }), context, unavailable).response;
  t.ok((failed.resyncAfterSeconds ?? Infinity) < 60);
  const status = failed.status ?? {};
  t.match(plan(request({ spec, owned: [secret(token)], status }), context), { read: true });
  const done = sync(request({ spec, owned: [secret(token)], status }), context, found(token)).response;
  t.equal(done.resyncAfterSeconds, undefined);
  const resting = request({ spec, owned: [secret(token)], status: done.status ?? {} });
  t.match(plan(resting, context), { read: false });
  t.ok((sync(request({ spec }), context, absent).response.resyncAfterSeconds ?? Infinity) <= 60);
});

t.test("a force-sync of an empty value is obeyed once", async (t) => {
  const metadata = { annotations: { "hsm.j5t.io/force-sync": "" } };
  const given = { owned: [secret(token)], status: inSync(), metadata, spec: { autoSync: false } };
  t.match(plan(request(given), context), { read: true, fresh: true });
  const status = sync(request(given), context, found(token)).response.status ?? {};
  t.match(plan(request({ ...given, status }), context), { read: false });
});

t.test(
  "a template that Kubernetes would refuse is not sent with a Secret that is listed again",
  async (t) => {
    const template = {
      labels: { "a b": "x", team: "a", "controller-uid": "z" },
      annotations: { "hsm.j5t.io/x": "y" },
    };
    const { response, outcome } = sync(
      request({ spec: { template }, owned: [secret(token)] }),
      context,
      undefined,
    );
    t.equal(outcome, "InvalidKey");
    t.same(response.children[0]?.metadata, {
      name: "app",
      namespace: "demo",
      labels: { "app.kubernetes.io/managed-by": "keyswitch", team: "a" },
    });
  },
);
