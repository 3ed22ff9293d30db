// SPDX-License-Identifier: Apache-2.0
// Tests single situations of write-back: what the sync hook plans to write, what it withholds, and its messages. Their
// interleavings are in two-way.test.ts.
import t from "tap";
import { checksumOfBase64 } from "../../../hooks/checksum.ts";
import type { FailedWrite, HookContext, Reading } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec, HSMSecretStatus } from "../../../hooks/hsmsecret/schema.ts";
import type { ObjectMeta, StringMap } from "../../../hooks/kubernetes.ts";
import { plan, planWrite, sync, writtenBack } from "./hooks.ts";
import { absent, base64, context, found, request, secret, unavailable } from "./request.ts";
import { other, token } from "./sync-rows.ts";

const BASE = "hsm.j5t.io/base";
const edited = { ...token, password: "edited" };
const checksum = (data: StringMap) => checksumOfBase64(base64(data));
const shown = (data: StringMap) => context.checksums.of(checksum(data));

interface Scene {
  readonly spec?: HSMSecretSpec;
  /** What the Secret is edited to; its base is of `given`. */
  readonly now: StringMap;
  readonly given?: StringMap;
  readonly status?: Record<string, unknown>;
  readonly metadata?: Partial<ObjectMeta>;
  readonly secretMeta?: Partial<ObjectMeta>;
}

/** The annotations of a Secret that the hook itself has made of `data`. */
const annotationsOf = (spec: HSMSecretSpec, data: StringMap): StringMap => {
  const anywhere = { ...context, policy: [{ namespace: "*", prefix: "**" }] };
  const made = sync(request({ spec }), anywhere, found(data)).response.children[0];
  return (made?.metadata as { annotations?: StringMap } | undefined)?.annotations ?? {};
};

/** The request of a Secret that Keyswitch gave `given` (default: what the token held) and that holds `now`. */
const scene = ({ now, given = token, status, metadata, secretMeta, ...rest }: Scene) => {
  const spec: HSMSecretSpec = { writeBack: "OnChange", ...rest.spec };
  const owned = secret(now, { annotations: annotationsOf(spec, given), ...secretMeta });
  return request({ spec, owned: [owned], ...(status && { status }), ...(metadata && { metadata }) });
};

const judged = (input: ReturnType<typeof request>, reading: Reading, where: HookContext = context) => {
  const write = planWrite(input, where, reading);
  const { response, outcome, events } = sync(input, where, reading);
  const status = response.status as HSMSecretStatus;
  return { write, response, outcome, events, status };
};

t.test("an edited Secret is written whole, on the condition that the token is as it was read", async (t) => {
  const reading = found(token);
  const { write } = judged(scene({ now: edited }), reading);
  t.match(write, {
    method: "put",
    path: "secrets/demo/app",
    device: "pico",
    data: base64(edited),
    ifMatch: reading.checksum,
    checksum: checksum(edited),
  });
  t.ok((write?.source.length ?? 0) <= 256, "the note fits into the agent's metadata");
  t.match(write && writtenBack(scene({ now: edited }), context, write), {
    againAfterSeconds: 1,
    outcome: "WrittenBack",
    events: [
      { type: "Normal", reason: "WrittenBack", message: /app was written to the token of pico at .*2 keys/ },
    ],
  });
});

t.test("with a mapping only the mapped keys are written, by their names on the token", async (t) => {
  const spec = { data: [{ key: "key", hsmKey: "password" }] };
  const given = scene({ spec, given: token, now: { key: "edited", extra: "x" } });
  const { write } = judged(given, found(token));
  t.match(write, { method: "patch", data: base64({ password: "edited" }), checksum: checksum(edited) });
  t.same(Object.keys(write?.data ?? {}), ["password"]);
  const { write: none, status } = judged(scene({ spec, given: token, now: { extra: "x" } }), found(token));
  t.equal(none, undefined, "a removed key is not removed from the token, an unmapped one not written");
  t.match(status, { conditions: [{ reason: "Applying" }] }, "but put back");
  const created = judged(
    scene({
      spec,
      now: { key: "edited" },
      status: { conflict: { secretChecksum: shown({ key: "edited" }) } },
      metadata: { annotations: { "hsm.j5t.io/resolve": "secret" } },
    }),
    absent,
  ).write;
  t.match(created, { method: "put", data: base64({ password: "edited" }) });
  t.equal(created?.ifMatch, undefined, "where nothing is, nothing may be");
});

t.test("two keys of one hsmKey", async (t) => {
  const spec = {
    data: [
      { key: "a", hsmKey: "password" },
      { key: "b", hsmKey: "password" },
    ],
  };
  const one = judged(scene({ spec, now: { a: "edited", b: "s3cr3t" } }), found(token));
  t.same(one.write?.data, base64({ password: "edited" }), "the one that was changed counts");
  const torn = judged(scene({ spec, now: { a: "edited", b: "other" } }), found(token));
  t.equal(torn.write, undefined);
  t.equal(torn.outcome, "Conflict");
  t.match(torn.status.lastError, /"a" and "b".*same value/);
});

t.test("a Conflict writes nothing, lists the Secret as it is and says how to choose", async (t) => {
  const { write, response, status, events } = judged(scene({ now: edited }), found(other));
  t.equal(write, undefined);
  t.same(response.children[0]?.data, base64(edited));
  t.match(status, {
    syncStatus: "OutOfSync",
    conflict: { secretChecksum: shown(edited), hsmChecksum: shown(other) },
    lastError: /kubectl annotate hsmsecret -n demo app hsm\.j5t\.io\/resolve=secret .*resolve=hsm/,
  });
  t.ok(status.conditions?.some(({ type, reason }) => type === "Stalled" && reason === "Conflict"));
  t.match(events, [{ type: "Warning", reason: "Conflict" }]);
  t.notMatch(JSON.stringify([status, events]), /edited|n3w/);
});

t.test("a choice counts for the Conflict that is shown, once", async (t) => {
  const open = { conflict: { secretChecksum: shown(edited), hsmChecksum: shown(other) } };
  const choosing = (choice: string, status: Record<string, unknown>, now = edited) =>
    judged(scene({ now, status, metadata: { annotations: { "hsm.j5t.io/resolve": choice } } }), found(other));
  t.match(choosing("secret", open).write, { data: base64(edited), ifMatch: checksum(other) });
  const hsm = choosing("hsm", open);
  t.same(hsm.response.children[0]?.data, base64(other));
  t.match(hsm.status, { conditions: [{ reason: "Applying" }], ...open }, "it stays shown until it is done");
  t.equal(hsm.status.lastResolve, undefined, "and is not used up before");
  const early = choosing("secret", {});
  t.equal(early.write, undefined, "one that was there before its conflict was shown is not obeyed");
  t.match(early.status, { lastResolve: "secret", lastError: /older than this conflict.*resolve-\)/ });
  t.equal(choosing("secret", { ...open, lastResolve: "secret" }).write, undefined, "nor one that is used up");
  t.equal(choosing("secret", open, { ...edited, user: "eve" }).write, undefined, "nor for other contents");
  t.match(choosing("token", open).status.lastError, /must be hsm or secret/);
  const done = judged(
    scene({ now: other, given: other, metadata: { annotations: { "hsm.j5t.io/resolve": "hsm" } } }),
    found(other),
  );
  t.equal(done.status.lastResolve, "hsm", "used up once the two sides are equal");
  t.equal(done.status.conflict, undefined);
});

t.test("an edited Secret and an absent path", async (t) => {
  const conflict = judged(scene({ now: edited, spec: { onMissing: "Delete" } }), absent);
  t.equal(conflict.outcome, "Conflict");
  t.equal(conflict.response.children.length, 1, "it is not removed");
  t.same(conflict.status.conflict, { secretChecksum: shown(edited) });
  const status = { conflict: { secretChecksum: shown(edited) } };
  const hsm = { annotations: { "hsm.j5t.io/resolve": "hsm" } };
  const removed = judged(
    scene({ now: edited, spec: { onMissing: "Delete" }, status, metadata: hsm }),
    absent,
  );
  t.same(removed.response.children, [], "hsm follows onMissing");
  const kept = judged(scene({ now: edited, status, metadata: hsm }), absent);
  t.equal(kept.outcome, "ObjectNotFound");
  const annotations = (kept.response.children[0]?.metadata as { annotations: StringMap }).annotations;
  t.match(annotations[BASE], shown(edited), "from here on what it holds is no edit");
});

t.test("what is not written, and why", async (t) => {
  const rules = (write?: boolean): HookContext => ({
    ...context,
    policy: [{ namespace: "demo", prefix: "secrets/shared", ...(write === undefined ? {} : { write }) }],
  });
  const shared = { hsmPath: "secrets/shared/x" };
  const rows: [string, Scene, Reading, RegExp, HookContext?][] = [
    ["an empty Secret", { now: {} }, found(token), /no key that could be written/],
    ["a path that may only be read", { spec: shared, now: edited }, found(token), /may not write/, rules()],
    ["on a mirror", { now: edited }, { ...found(token), mirror: true }, /not the first of the agents/],
  ];
  for (const [name, given, reading, error, where] of rows) {
    const made = judged(scene(given), reading, where);
    t.equal(made.write, undefined, name);
    t.equal(made.outcome, "WriteBackFailed", name);
    t.match(made.status, { syncStatus: "OutOfSync", lastError: error }, name);
    t.same(made.response.children[0]?.data, base64(given.now), `${name}: the edit is kept`);
  }
  t.ok(judged(scene({ spec: shared, now: edited }), found(token), rules(true)).write, "with write: true");
  for (const given of [
    scene({ now: edited, spec: { writeBack: "Never" } }),
    scene({ now: edited, secretMeta: { annotations: {} } }),
    scene({ now: edited, secretMeta: { annotations: { [BASE]: "{" } } }),
    request({ spec: { writeBack: "OnChange" } }),
  ]) {
    t.equal(planWrite(given, context, found(token)), undefined);
  }
  t.equal(planWrite(scene({ now: edited }), context, unavailable), undefined);
});

t.test(
  "without a common base: the token counts if the Secret was not edited, else it is a Conflict",
  async (t) => {
    const moved = { hsmPath: "secrets/demo/other" };
    const at = (now: StringMap, status?: Record<string, unknown>) => {
      const owned = secret(now, { annotations: annotationsOf({ writeBack: "OnChange" }, token) });
      const spec: HSMSecretSpec = { writeBack: "OnChange", ...moved };
      return judged(request({ spec, owned: [owned], ...(status && { status }) }), found(other));
    };
    t.equal(at(token).outcome, "Applying", "another path replaces what was not edited");
    const conflict = at(edited);
    t.equal(conflict.outcome, "Conflict", "and asks where it was");
    t.match(conflict.status.lastError, /not known.*hsmPath/);
    const switchedOn = (now: StringMap) =>
      judged(
        request({
          spec: { writeBack: "OnChange" },
          owned: [secret(now)],
          status: { syncStatus: "InSync", secretChecksum: shown(token), hsmChecksum: shown(token) },
        }),
        found(other),
      );
    t.equal(switchedOn(token).outcome, "Applying", "writeBack switched on without an edit follows the token");
    t.equal(switchedOn(edited).outcome, "Conflict", "and with an edit on its way asks");
  },
);

t.test("a write that failed keeps the edit, says why and comes again", async (t) => {
  const rows: [FailedWrite, RegExp, boolean, number][] = [
    [
      { outcome: "refused", code: "TOKEN_FULL", message: "m." },
      /^TOKEN_FULL: m\. Remove something/,
      true,
      300,
    ],
    [
      { outcome: "unavailable", code: "WRITE_UNCERTAIN", message: "m.", retryAfterSeconds: 7 },
      /^WRITE_UNCERTAIN: m\. Whether the token of pico has it/,
      false,
      7,
    ],
    [{ outcome: "precondition" }, /^PRECONDITION_FAILED: .*read again/, false, 2],
  ];
  const slow = sync(scene({ now: edited }), context, found(token), { outcome: "pending" });
  t.equal(slow.outcome, "Applying", "a write that takes longer than a hook has not failed");
  t.match(slow.response.status, {
    syncStatus: "Pending",
    conditions: [{ message: /is being written to the token/ }],
  });
  t.same(slow.response.children[0]?.data, base64(edited));
  t.ok((slow.response.resyncAfterSeconds ?? 0) <= 5);
  for (const [failure, error, stalled, after] of rows) {
    const { response, outcome } = sync(scene({ now: edited }), context, found(token), failure);
    const status = response.status as HSMSecretStatus;
    t.equal(outcome, "WriteBackFailed");
    t.match(status, { syncStatus: "OutOfSync", lastError: error });
    t.equal(
      status.conditions?.some(({ type }) => type === "Stalled"),
      stalled,
    );
    t.ok(
      (response.resyncAfterSeconds ?? 0) <= after && (response.resyncAfterSeconds ?? 0) >= after * 0.8 - 1,
    );
    t.same(response.children[0]?.data, base64(edited));
  }
});

t.test("autoSync false: an edit waits for force-sync, a failed write and a choice do not", async (t) => {
  const spec: HSMSecretSpec = { autoSync: false };
  const status = (reason: string, rest = {}) => ({
    observedGeneration: 1,
    syncStatus: "InSync",
    secretChecksum: shown(token),
    hsmChecksum: shown(token),
    conditions: [{ type: "Ready", status: "True", reason, message: "", lastTransitionTime: "" }],
    ...rest,
  });
  const waiting = scene({ spec, now: edited, status: status("Synced") });
  t.same(plan(waiting, context), { read: false });
  const { response } = sync(waiting, context, undefined);
  t.match(response.status, { lastError: /write it to the token.*force-sync/ });
  const force = { annotations: { "hsm.j5t.io/force-sync": "1" } };
  const forced = scene({ spec, now: edited, status: status("Drifted"), metadata: force });
  t.match(plan(forced, context), { read: true });
  t.ok(planWrite(forced, context, found(token)));
  t.match(plan(scene({ spec, now: edited, status: status("WriteBackFailed") }), context), { read: true });
  const choice = { annotations: { "hsm.j5t.io/resolve": "hsm" } };
  const chosen = scene({ spec, now: edited, status: status("Conflict"), metadata: choice });
  t.match(plan(chosen, context), { read: true });
});

t.test("an edited Secret of an earlier secretName is kept, one that was not edited goes", async (t) => {
  const spec: HSMSecretSpec = { writeBack: "OnChange", secretName: "new" };
  const annotations = annotationsOf(spec, token);
  const at = (old: StringMap) => {
    const owned = [secret(token, { name: "new", annotations }), secret(old, { name: "old", annotations })];
    return judged(request({ spec, owned }), found(token));
  };
  t.equal(at(token).response.children.length, 1);
  const kept = at(edited);
  t.equal(kept.outcome, "Conflict");
  t.match(kept.status.lastError, /Secret old .*then delete it/);
  t.same(
    kept.response.children.map((child) => (child.metadata as ObjectMeta).name),
    ["new", "old"],
  );
});
