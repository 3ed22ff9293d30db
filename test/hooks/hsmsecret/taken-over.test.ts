// SPDX-License-Identifier: Apache-2.0
// Tests the adoption of an existing Secret that no controller owns: the status while Metacontroller has not adopted it, which
// dynamic apply never does by itself.
import t from "tap";
import type { HookContext } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec, HSMSecretStatus } from "../../../hooks/hsmsecret/schema.ts";
import type { ObjectMeta, Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { finalize, planWrite, sync } from "./hooks.ts";
import { base64, context, foreign, found, later, request, secret, UID, unavailable } from "./request.ts";
import { other, token } from "./sync-rows.ts";

const at = (seconds: number): HookContext => ({
  ...context,
  now: new Date(Date.UTC(2026, 10, 22, 10) + seconds * 1000).toISOString(),
});
const label = `kubectl label secret -n demo app controller-uid=${UID} --overwrite`;

t.test("a Secret that adopt asks for and nobody takes over is told, with the command", async (t) => {
  const orphan = foreign({ theirs: "1" }, { labels: { "controller-uid": "of-the-one-before" } });
  const look = (seconds: number, status?: Record<string, unknown>, related = orphan) =>
    sync(request({ spec: { adopt: true }, related, ...(status && { status }) }), at(seconds), found(token));
  const first = look(0);
  t.match(first, { outcome: "Applying", response: { status: { lastError: undefined } } });
  t.same(first.events, [], "server-side apply takes it over at once: nothing is wrong yet");
  t.ok((first.response.resyncAfterSeconds ?? Infinity) <= 2, "and is looked at again soon");
  const told = look(2, first.response.status);
  const { lastError } = told.response.status as { lastError: string };
  t.ok(lastError.includes(label), lastError);
  t.match(told.response.status, {
    syncStatus: "Pending",
    conditions: [{ type: "Ready", status: "False", reason: "Applying", message: lastError }],
  });
  t.match(told.events, [{ type: "Warning", reason: "Applying", message: lastError }]);
  t.match(told.response.children, [{ metadata: { name: "app" } }], "and is asked for on");
  const later = look(600, told.response.status);
  t.same([later.response.status, later.events], [told.response.status, []], "once");
  const labelled = foreign({ theirs: "1" }, { labels: { "controller-uid": UID } });
  const waiting = look(3, told.response.status, labelled).response.status;
  t.notMatch(JSON.stringify(waiting), /kubectl label/, "with the label there is nothing to be done");
  const owned = request({
    spec: { adopt: true },
    owned: [secret(token)],
    status: told.response.status ?? {},
  });
  t.match(sync(owned, at(4), found(token)), {
    outcome: "Synced",
    response: { status: { lastError: undefined } },
  });
});

const SECRET_UID = "0b5d2a52-90a5-4f0e-a4b4-8b1f1c8f6b61";
const BASE = "hsm.j5t.io/base";

/** The Secret as Metacontroller shows it while it is ours. */
const ours = (data: StringMap, meta: Partial<ObjectMeta> = {}): Secret =>
  secret(data, { uid: SECRET_UID, ...meta });
/** The same Secret after kubectl replace with a manifest that has nothing but a name and these data. */
const bare = (data: StringMap, meta: Partial<ObjectMeta> = {}, rest: Partial<Secret> = {}): Secret =>
  foreign(data, { uid: SECRET_UID, resourceVersion: "8", ...meta }, rest);
/** The status of an HSMSecret that has come to rest with that Secret. */
const rested = (spec: HSMSecretSpec = {}) => {
  const made = sync(request({ spec }), context, found(token)).response.children[0];
  const { annotations = {} } = made?.metadata as ObjectMeta;
  return sync(request({ spec, owned: [ours(token, { annotations })] }), context, found(token)).response
    .status as HSMSecretStatus & Record<string, unknown>;
};

t.test("the Secret that we had is put back where it has lost its owner, whatever went with it", async (t) => {
  const status = rested();
  t.equal(status.secretRef?.uid, SECRET_UID);
  const labels = { "app.kubernetes.io/managed-by": "keyswitch" };
  for (const [name, related] of [
    ["replaced with other data", bare({ theirs: "1" })],
    ["replaced with the same data", bare(token)],
    ["replaced, and immutable", bare(token, {}, { immutable: true })],
    ["without the label of the selector", ours(token, { labels, ownerReferences: [] })],
  ] as const) {
    const { response, outcome } = sync(request({ status, related }), at(0), found(token));
    t.equal(outcome, "Applying", name);
    t.match(response.children, [{ metadata: { name: "app", labels }, data: base64(token) }], name);
    const shown = response.status as HSMSecretStatus;
    t.equal(shown.secretRef?.uid, SECRET_UID, "it stays the one that we had");
    t.match(shown.conditions, [{ message: /was changed by somebody and is being put right/ }], name);
    const stuck = sync(request({ status: { ...shown }, related }), at(2), found(token)).response.status;
    t.ok((stuck as HSMSecretStatus).lastError?.includes(label), `${name}: told under dynamic apply`);
    const back = sync(request({ status: { ...shown }, owned: [ours(token)] }), at(3), found(token));
    t.equal(back.outcome, "Synced");
  }
  const kept = sync(request({ status, related: bare({ theirs: "1" }) }), later, unavailable).response;
  t.match(kept, {
    children: [{ data: base64({ theirs: "1" }) }],
    status: { secretRef: { uid: SECRET_UID } },
  });
});

t.test("nothing else of the name is ours", async (t) => {
  const controller = { apiVersion: "v1", kind: "Vault", name: "v", uid: "other", controller: true };
  for (const [name, status, related] of [
    ["another Secret of the name", rested(), bare({}, { uid: "another" })],
    ["another controller's", rested(), bare({}, { ownerReferences: [controller] })],
    ["after the status is lost", undefined, bare({})],
    ["without a uid in the status", { ...rested(), secretRef: { name: "app", namespace: "demo" } }, bare({})],
  ] as const) {
    const { response, outcome } = sync(request({ related, ...(status && { status }) }), later, undefined);
    t.equal(outcome, "Conflict", name);
    t.same(response.children, [], name);
    t.equal((response.status as HSMSecretStatus).secretRef, undefined, name);
  }
  const gone = sync(request({ status: rested() }), later, unavailable).response.status as HSMSecretStatus;
  t.equal(gone.secretRef, undefined, "a Secret that is gone is not remembered");
  const unlike = bare(other, {}, { immutable: true });
  t.match(sync(request({ status: rested(), related: unlike }), later, found(token)), {
    outcome: "Conflict",
    response: { children: [{ data: base64(other) }], status: { lastError: /is immutable and differs/ } },
  });
});

t.test("a Secret that has lost its owner is not listed while the HSMSecret is being deleted", async (t) => {
  for (const finalizers of [[], ["orphan"]]) {
    const metadata = { deletionTimestamp: context.now, finalizers };
    const input = request({ status: rested(), related: bare(token), metadata, finalizing: true });
    t.same(finalize(input, later).response, { finalized: true, children: [] });
  }
});

t.test("under writeBack an edit that took the base with it is an edit as any other", async (t) => {
  const spec: HSMSecretSpec = { writeBack: "OnChange" };
  const edited = { ...token, password: "edited" };
  const status = rested(spec);
  const input = request({ spec, status, related: bare(edited) });
  t.match(planWrite(input, later, found(token)), { data: base64(edited), ifMatch: found(token).checksum });
  const failed = sync(input, later, found(token), { outcome: "unavailable", code: "TIMEOUT", message: "m." });
  const [child] = failed.response.children;
  t.match(child, { data: base64(edited) }, "it is kept");
  const { annotations = {} } = child?.metadata as ObjectMeta;
  t.type(annotations[BASE], "string");
  const next = request({
    spec,
    status: failed.response.status ?? {},
    owned: [ours(edited, { annotations })],
  });
  t.match(planWrite(next, later, found(token)), { data: base64(edited) }, "and written at the next try");
  const written = sync(input, later, found(edited)).response;
  t.match(written.children, [{ data: base64(edited), metadata: { annotations: { [BASE]: String } } }]);
  t.equal(sync(request({ spec, status, related: bare(token) }), later, found(token)).outcome, "Applying");
  for (const [name, reading, known] of [
    ["both have changed", found(other), status],
    ["the token was written since", { ...found(token), version: 2 }, status],
    ["its writer does not count", { ...found(token), version: 0 }, status],
    ["the spec has changed", found(token), { ...status, observedGeneration: 0 }],
    ["the status does not vouch for it", found(token), { ...status, syncStatus: "Error" }],
  ] as const) {
    const asked = request({ spec, status: known, related: bare(edited) });
    t.equal(planWrite(asked, later, reading), undefined, name);
    const { outcome, response } = sync(asked, later, reading);
    t.equal(outcome, "Conflict", name);
    t.same(response.children[0]?.data, base64(edited), `${name}: the edit is kept`);
  }
});
