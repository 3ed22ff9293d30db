// SPDX-License-Identifier: Apache-2.0
// The cases of the sync hook: each row is a situation, what the hook is asked to plan, and what it must answer.
import t from "tap";
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import { type HookContext, plan, type Reading, sync } from "../../../hooks/hsmsecret/index.ts";
import { previousStatus } from "../../../hooks/hsmsecret/status.ts";
import {
  absent,
  base64,
  context,
  foreign,
  found,
  later,
  type RequestParts,
  request,
  secret,
  unavailable,
  unchanged,
} from "./request.ts";

const token = { password: "s3cr3t", user: "ada" };
const other = { password: "n3w", user: "ada" };

/** The status after the token's content was synced at ten o'clock. */
const inSync = (extra: RequestParts = {}) =>
  sync(request({ ...extra, owned: [secret(token)] }), context, found(token)).response.status ?? {};

interface Row {
  readonly name: string;
  readonly given: RequestParts;
  readonly context?: HookContext;
  readonly reading?: Reading;
  readonly expect: {
    readonly reason: string;
    readonly syncStatus: string;
    readonly ready: "True" | "False";
    /** Names of the children of the answer; [] removes what there is. */
    readonly children: string[];
    /** Data of the first child. */
    readonly data?: Record<string, string>;
    readonly error?: RegExp;
    readonly resyncBelow?: number;
  };
}

const rows: Row[] = [
  {
    name: "the first sync writes the Secret and says that it is not there yet",
    given: {},
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a Secret that holds what the token holds is in sync",
    given: { owned: [secret(token)] },
    reading: found(token),
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["app"], data: token },
  },
  {
    name: "an unchanged token (304) keeps the Secret in sync without sending the values again",
    given: { owned: [secret(token)], status: inSync() },
    reading: unchanged,
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["app"], data: token },
  },
  {
    name: "a changed token changes the Secret",
    given: { owned: [secret(token)], status: inSync() },
    reading: found(other),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: other },
  },
  {
    name: "a Secret edited by hand is put back",
    given: { owned: [secret({ ...token, password: "hacked" }, { resourceVersion: "9" })], status: inSync() },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a Secret deleted by hand is made anew",
    given: { status: inSync() },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: token },
  },
  {
    name: "with the HSM unavailable the Secret stays, and the status says so",
    given: { owned: [secret(token)], status: inSync() },
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /TOKEN_UNAVAILABLE.*kept/,
      resyncBelow: 16,
    },
  },
  {
    name: "with the HSM unavailable a first sync waits",
    given: {},
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Pending",
      ready: "False",
      children: [],
      error: /no Secret yet/,
    },
  },
  {
    name: "with the HSM unavailable onMissing Delete removes nothing",
    given: { owned: [secret(token)], status: inSync(), spec: { onMissing: "Delete" } },
    reading: unavailable,
    expect: { reason: "HSMUnavailable", syncStatus: "Error", ready: "False", children: ["app"], data: token },
  },
  {
    name: "with the HSM unavailable a Secret of an earlier secretName stays",
    given: { owned: [secret(token, { name: "old" })], spec: { secretName: "new" }, status: inSync() },
    reading: unavailable,
    expect: {
      reason: "HSMUnavailable",
      syncStatus: "Pending",
      ready: "False",
      children: ["old"],
      data: token,
    },
  },
  {
    name: "an absent path keeps the Secret by default (onMissing Retain)",
    given: { owned: [secret(token)], status: inSync() },
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "OutOfSync",
      ready: "False",
      children: ["app"],
      data: token,
      error: /holds nothing at secrets\/demo\/app.*Retain/,
      resyncBelow: 61,
    },
  },
  {
    name: "an absent path removes the Secret where the spec says so (onMissing Delete)",
    given: { owned: [secret(token)], status: inSync(), spec: { onMissing: "Delete" } },
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "OutOfSync",
      ready: "False",
      children: [],
      error: /removed/,
    },
  },
  {
    name: "an absent path at the first sync says where to write the secret",
    given: {},
    reading: absent,
    expect: {
      reason: "ObjectNotFound",
      syncStatus: "Pending",
      ready: "False",
      children: [],
      error: /Write the secret/,
    },
  },
  {
    name: "a foreign Secret of the name is a Conflict and is left alone",
    given: { related: foreign({ theirs: "1" }) },
    expect: {
      reason: "Conflict",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /somebody else.*spec.adopt/,
    },
  },
  {
    name: "a Secret of another controller is a Conflict even with adopt",
    given: {
      spec: { adopt: true },
      related: foreign(
        {},
        { ownerReferences: [{ apiVersion: "v1", kind: "Vault", name: "v", uid: "other", controller: true }] },
      ),
    },
    expect: {
      reason: "Conflict",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /belongs to Vault v/,
    },
  },
  {
    name: "adopt takes over a foreign Secret that no controller owns",
    given: { spec: { adopt: true }, related: foreign({ theirs: "1" }) },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "adopt of a Secret of another type changes nothing",
    given: { spec: { adopt: true }, related: foreign({}, {}, { type: "example.com/x" }) },
    reading: found(token),
    expect: { reason: "TypeImmutable", syncStatus: "OutOfSync", ready: "False", children: [] },
  },
  {
    name: "without a customize hook nobody knows whose Secret it is, so nothing is written",
    given: { related: "no-hook" },
    expect: {
      reason: "Conflict",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /customize hook/,
    },
  },
  {
    name: "another namespace's path is Forbidden, and the Secret of before stays",
    given: { spec: { hsmPath: "secrets/prod/db" }, owned: [secret(token)] },
    expect: {
      reason: "Forbidden",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /spec.hsmPath: namespace demo may read secrets\/demo\//,
    },
  },
  {
    name: "a path that climbs out of the namespace is Forbidden",
    given: { spec: { hsmPath: "secrets/demo/../prod/db" } },
    expect: { reason: "Forbidden", syncStatus: "Error", ready: "False", children: [] },
  },
  {
    name: "a rule of the path policy allows another path",
    given: { spec: { hsmPath: "secrets/shared/db" } },
    context: { ...context, policy: [{ namespace: "de*", prefix: "secrets/shared" }] },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a key that a Secret can't have refuses the whole, and names it",
    given: { owned: [secret(token)], status: inSync() },
    reading: found({ ...token, "bad key": "x" }),
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /"bad key"/,
    },
  },
  {
    name: "a mapping of a key that the token lacks names it and what there is",
    given: { spec: { data: [{ key: "p", hsmKey: "pass" }] } },
    reading: found(token),
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /no "pass" at secrets\/demo\/app; it has "password", "user"/,
    },
  },
  {
    name: "a mapping chooses and renames keys",
    given: { spec: { data: [{ key: "PGPASSWORD", hsmKey: "password" }] } },
    reading: found(token),
    expect: {
      reason: "Applying",
      syncStatus: "Pending",
      ready: "False",
      children: ["app"],
      data: { PGPASSWORD: "s3cr3t" },
    },
  },
  {
    name: "a mapping makes a key valid that the token spells otherwise",
    given: { spec: { data: [{ key: "ok", hsmKey: "password" }] } },
    reading: found({ ...token, "bad key": "x" }),
    expect: {
      reason: "Applying",
      syncStatus: "Pending",
      ready: "False",
      children: ["app"],
      data: { ok: "s3cr3t" },
    },
  },
  {
    name: "more than 1 MiB is refused with both figures",
    given: { owned: [secret(token)], status: inSync() },
    reading: found({ big: "x".repeat(1024 * 1024), one: "y" }),
    expect: {
      reason: "TooLarge",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /1048577 bytes.*1048576/,
    },
  },
  {
    name: "exactly 1 MiB is taken",
    given: {},
    reading: found({ big: "x".repeat(1024 * 1024) }),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"] },
  },
  {
    name: "a type that lacks its key says which",
    given: { spec: { secretType: "kubernetes.io/tls" } },
    reading: found({ "tls.crt": "c" }),
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /needs the key tls.key/,
    },
  },
  {
    name: "a changed type can't be applied and changes nothing",
    given: { spec: { secretType: "example.com/t" }, owned: [secret(token)], status: inSync() },
    reading: found(other),
    expect: {
      reason: "TypeImmutable",
      syncStatus: "OutOfSync",
      ready: "False",
      children: ["app"],
      data: token,
      error: /has type Opaque.*delete the Secret/i,
    },
  },
  {
    name: "a Secret that somebody made immutable is reported",
    given: { owned: [secret(token, {}, { immutable: true })], status: inSync() },
    reading: found(other),
    expect: { reason: "Conflict", syncStatus: "OutOfSync", ready: "False", children: ["app"], data: token },
  },
  {
    name: "a template label that is no qualified name is refused",
    given: { spec: { template: { labels: { "a b": "c" } } } },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /template.labels: "a b"/,
    },
  },
  {
    name: "autoSync false still reads for a Secret that is not there",
    given: { spec: { autoSync: false } },
    reading: found(token),
    expect: { reason: "Applying", syncStatus: "Pending", ready: "False", children: ["app"], data: token },
  },
  {
    name: "autoSync false reports an edited Secret and does not read",
    given: { spec: { autoSync: false }, owned: [secret(other)], status: inSync() },
    expect: {
      reason: "Drifted",
      syncStatus: "OutOfSync",
      ready: "False",
      children: ["app"],
      data: other,
      error: /force-sync/,
    },
  },
  {
    name: "autoSync false stays in sync without reading",
    given: { spec: { autoSync: false }, owned: [secret(token)], status: inSync() },
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["app"], data: token },
  },
  {
    name: "a new secretName is written while the old Secret is still there",
    given: { spec: { secretName: "new" }, owned: [secret(token, { name: "old" })] },
    reading: found(token),
    expect: {
      reason: "Applying",
      syncStatus: "Pending",
      ready: "False",
      children: ["new", "old"],
      data: token,
    },
  },
  {
    name: "the Secret of the old secretName goes once the new one is in sync",
    given: {
      spec: { secretName: "new" },
      owned: [secret(token, { name: "new" }), secret(token, { name: "old" })],
    },
    reading: found(token),
    expect: { reason: "Synced", syncStatus: "InSync", ready: "True", children: ["new"], data: token },
  },
];

for (const row of rows) {
  t.test(row.name, async (t) => {
    const input = request(row.given);
    const where = row.context ?? context;
    t.equal(plan(input, where).read, row.reading !== undefined, "reads the token only where that is needed");
    const { response, outcome } = sync(input, where, row.reading);
    t.equal(
      JSON.stringify(sync(input, where, row.reading).response),
      JSON.stringify(response),
      "same bytes again",
    );
    const status = previousStatus({ ...input.parent, status: response.status ?? {} });
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    const expected = row.expect;
    t.equal(outcome, expected.reason);
    t.match(ready, { reason: expected.reason, status: expected.ready });
    t.equal(status.syncStatus, expected.syncStatus);
    t.same(
      response.children.map((child) => (child.metadata as { name: string }).name),
      expected.children,
    );
    if (expected.data) t.same(response.children[0]?.data, base64(expected.data));
    if (expected.error) t.match(status.lastError, expected.error);
    else if (expected.ready === "True" || expected.reason === "Applying")
      t.equal(status.lastError, undefined);
    if (expected.resyncBelow) t.ok((response.resyncAfterSeconds ?? Infinity) < expected.resyncBelow);
    t.equal(status.observedGeneration, 1);
    if (expected.reason === "Applying") t.ok(status.conditions?.some(({ type }) => type === "Reconciling"));
  });
}

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
  const checksum = checksumOfBase64(base64(token));
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
    const mark = { "hsm.j5t.io/repaired-resource-version": "9" };
    const repaired = request({ owned: [secret(token, { annotations: mark })], status: calm.status ?? {} });
    t.same(
      sync(repaired, context, unchanged).response.children,
      edited("9"),
      "and the mark stays afterwards",
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
});

t.test("the last-applied annotation is reported while the Secret stays in sync", async (t) => {
  const leaking = secret(token, {
    annotations: { "metacontroller.k8s.io/last-applied-configuration": "{}" },
  });
  const { response } = sync(request({ owned: [leaking] }), context, found(token));
  t.match(response.status, {
    syncStatus: "InSync",
    lastError: /server-side-apply/,
    conditions: [
      { type: "Ready", status: "True", reason: "Synced" },
      { type: "Stalled", status: "True", reason: "LastAppliedLeak" },
    ],
  });
  t.notMatch(JSON.stringify(response.children), /last-applied/, "and is not listed again");
});

t.test("the template's labels and annotations are on the Secret, in an outage too", async (t) => {
  const spec = { template: { labels: { team: "a" }, annotations: { "example.com/x": "y" } } };
  for (const reading of [found(token), unavailable]) {
    const child = sync(request({ spec, owned: [secret(token)] }), context, reading).response.children[0];
    t.match(child?.metadata, { labels: { team: "a" }, annotations: { "example.com/x": "y" } });
  }
});

t.test("events tell of changes only, and never more than the status does", async (t) => {
  const first = sync(request({ owned: [secret(token)] }), context, found(token));
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
