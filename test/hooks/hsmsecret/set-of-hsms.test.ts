// SPDX-License-Identifier: Apache-2.0
// Tests readings of a set of HSMs: what mirrors and a new primary say never rolls a Secret back or removes it, and the status
// tells who answered.
import t from "tap";
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { Standing } from "../../../hooks/hsmsecret/reading.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { believed, planWrite, sync } from "./hooks.ts";
import { base64, context, found, later, type RequestParts, request, secret } from "./request.ts";
import { other, token } from "./sync-rows.ts";

const where = { ...context, agents: ["hsm"] };

type Write = { version: number; epoch?: number; history?: [number, number][] };

const primary = (epoch: number, member = "A"): Standing => ({ role: "primary", epoch, member });
const mirror = (epoch: number, member = "B"): Standing => ({ role: "mirror", epoch, member });
const copy = (epoch: number): Standing => ({ ...mirror(epoch), isCopy: true });

const degraded = (standing: Standing) => (standing.role === "primary" ? {} : { mirror: true as const });

const holds = (standing: Standing, data: StringMap, write: Write): Reading => ({
  ...found(data),
  ...write,
  device: "hsm",
  standing,
  ...degraded(standing),
});
const nothing = (standing: Standing): Reading => ({
  outcome: "absent",
  device: "hsm",
  standing,
  ...degraded(standing),
});
const same = (standing: Standing): Reading => ({
  outcome: "unchanged",
  device: "hsm",
  standing,
  ...degraded(standing),
});

interface Answered {
  readonly outcome: string;
  readonly children: readonly unknown[];
  readonly data: StringMap | undefined;
  readonly annotations: StringMap;
  // biome-ignore lint/suspicious/noExplicitAny: a status as JSON
  readonly status: any;
  readonly ready: unknown;
  readonly events: readonly { type: string }[];
}

const answer = (parts: RequestParts, reading: Reading, at = where): Answered => {
  const input = request(parts);
  const { response, outcome, events } = sync(input, at, believed(input, at, reading));
  const [child] = response.children as { data?: StringMap; metadata?: { annotations?: StringMap } }[];
  const { status = {} } = response;
  return {
    outcome,
    children: response.children,
    data: child?.data,
    annotations: child?.metadata?.annotations ?? {},
    status,
    ready: (status.conditions as { type: string }[] | undefined)?.find(({ type }) => type === "Ready"),
    events,
  };
};

/** A Secret that was made of `reading`, and the status of the sync that found it to be so. */
const given = (data: StringMap, reading: Reading, spec: HSMSecretSpec = {}): RequestParts => {
  const { annotations } = answer({ spec }, reading);
  const owned: [Secret] = [secret(data, { annotations })];
  return { spec, owned, status: answer({ spec, owned }, reading).status };
};

/** `parts` after the answer to `reading`: its children and its status. */
const after = (parts: RequestParts, reading: Reading): RequestParts => {
  const { data, annotations, status } = answer(parts, reading);
  return { ...parts, owned: data === undefined ? [] : [secret({}, { annotations }, { data })], status };
};

t.test("the status says who answered, of which epoch", async (t) => {
  const parts = given(token, holds(primary(2), token, { version: 5, epoch: 1 }));
  t.match(parts.status, {
    device: "hsm/A",
    set: { device: "hsm", epoch: 2 },
    lastReading: { version: 5, device: "hsm", epoch: 1 },
  });
  const [owned] = parts.owned ?? [];
  t.match(owned?.metadata.annotations?.["hsm.j5t.io/applied"], /"epoch":1/);
});

t.test("an outage of the primary changes no Secret, and its end neither", async (t) => {
  for (const writeBack of ["Never", "OnChange"] as const) {
    const reading = holds(primary(2), token, { version: 5, epoch: 1 });
    const parts = given(token, reading, { writeBack });
    const quiet = answer(parts, reading);
    const told = writeBack === "Never" ? same(mirror(2)) : holds(mirror(2), token, { version: 5, epoch: 1 });
    const out = answer(parts, told);
    t.equal(out.outcome, "SyncedFromMirror");
    t.match(out.ready, { status: "True", reason: "SyncedFromMirror", message: /hsm\/B.*a mirror/ });
    t.match(out.status, { syncStatus: "InSync", device: "hsm/B (mirror)", lastError: undefined });
    t.same(out.children, quiet.children, "the same child");
    t.equal(out.status.lastSyncTime, quiet.status.lastSyncTime);
    t.match(out.events, [{ type: "Warning", reason: "SyncedFromMirror" }]);
    const again = answer({ ...parts, status: out.status }, told, { ...later, agents: ["hsm"] });
    t.same(again.status, out.status, "not a byte changes while it lasts");
    t.same(again.events, []);
    const back = answer({ ...parts, status: out.status }, reading);
    t.same(back.children, quiet.children);
    t.match(back, { outcome: "Synced", status: { device: "hsm/A" }, events: [{ type: "Normal" }] });
  }
});

t.test("an edit waits for the primary", async (t) => {
  const spec = { writeBack: "OnChange" } as const;
  const parts = given(token, holds(primary(2), token, { version: 5 }), spec);
  const [before] = parts.owned ?? [];
  const edited = { ...parts, owned: [{ ...before, data: base64(other) } as Secret] };
  const told = holds(mirror(2), token, { version: 5 });
  const out = answer(edited, told);
  t.match(out, {
    outcome: "WriteBackFailed",
    data: base64(other),
    status: { lastError: /hsm\/B.*not the primary.*waits for the primary/ },
  });
  t.equal(planWrite(request(edited), where, told), undefined);
  t.match(planWrite(request(edited), where, holds(primary(2), token, { version: 5 })), { device: "hsm" });
});

t.test("a mirror is never believed to be newer, unless it is a copy of the primary", async (t) => {
  const parts = given(token, holds(primary(2), token, { version: 5, epoch: 2 }));
  const rows: [sentence: string, reading: Reading, outcome: string][] = [
    ["older", holds(copy(2), other, { version: 4, epoch: 2 }), "HSMUnavailable"],
    ["older, of an earlier epoch", holds(copy(2), other, { version: 9, epoch: 1 }), "HSMUnavailable"],
    [
      "newer, of one that holds something of its own",
      holds(mirror(2), other, { version: 6, epoch: 2 }),
      "HSMUnavailable",
    ],
    ["newer, of a copy", holds(copy(2), other, { version: 6, epoch: 2 }), "Applying"],
    [
      "newer, of an agent without a lease",
      holds({ role: "none", epoch: 2 }, other, { version: 6, epoch: 2 }),
      "HSMUnavailable",
    ],
    [
      "newer, of one of two primaries",
      holds({ role: "disputed", epoch: 2 }, other, { version: 6, epoch: 2 }),
      "HSMUnavailable",
    ],
    [
      "the same version with another content",
      holds(copy(2), other, { version: 5, epoch: 2 }),
      "HSMUnavailable",
    ],
    ["older with the same content", holds(mirror(2), token, { version: 4, epoch: 2 }), "SyncedFromMirror"],
  ];
  for (const [sentence, reading, outcome] of rows) {
    const out = answer(parts, reading);
    t.equal(out.outcome, outcome, sentence);
    if (outcome === "HSMUnavailable") {
      t.same(out.data, base64(token));
      t.match(out.status.lastError, /AGENT_BEHIND/);
    }
    const named = answer({ ...parts, spec: { device: "hsm" } }, reading);
    t.equal(named.outcome === "Applying", outcome === "Applying", `${sentence}, with spec.device`);
  }
});

t.test("a write that knows of what was applied is later, whatever its version", async (t) => {
  const parts = given(token, holds(primary(1), token, { version: 5, epoch: 1 }));
  const rows: [write: Write, outcome: string][] = [
    [{ version: 3, epoch: 2, history: [[1, 5]] }, "Applying"],
    [{ version: 5, epoch: 2, history: [[1, 7]] }, "Applying"],
    [{ version: 6, epoch: 2, history: [[1, 4]] }, "Conflict"],
    [{ version: 6, epoch: 2 }, "Conflict"],
    [{ version: 4, epoch: 1 }, "Conflict"],
    [{ version: 9 }, "Conflict"],
  ];
  for (const [write, outcome] of rows) {
    const out = answer(parts, holds(primary(2, "B"), other, write));
    t.equal(out.outcome, outcome, JSON.stringify(write));
    t.same(out.data, base64(outcome === "Applying" ? other : token));
  }
  t.equal(
    answer(parts, holds(primary(2, "B"), token, { version: 4, epoch: 1 })).outcome,
    "Synced",
    "same content",
  );
});

t.test("what a new primary does not know of stays, until somebody chooses", async (t) => {
  const parts = given(token, holds(primary(1), token, { version: 5, epoch: 1 }));
  const lost = holds(primary(2, "B"), other, { version: 4, epoch: 1 });
  const shown = after(parts, lost);
  t.match(shown.status, {
    syncStatus: "OutOfSync",
    device: "hsm/B",
    lastReading: { version: 5, epoch: 1 },
    lastError: /does not know of.*mirror resolve secrets\/demo\/app --keep ID.*resolve=hsm/,
    conflict: {},
  });
  t.notMatch(shown.status?.lastError, /resolve=secret/, "nothing is written back under Never");
  t.same(answer(shown, lost, { ...later, agents: ["hsm"] }).status, shown.status, "no byte changes");
  const chosen = { ...shown, metadata: { annotations: { "hsm.j5t.io/resolve": "hsm" } } };
  const applied = after(chosen, lost);
  t.same(applied.owned?.[0]?.data, base64(other));
  t.match(answer(applied, lost), { outcome: "Synced", status: { lastReading: { version: 4, epoch: 1 } } });
  const kept = holds(primary(2, "B"), token, { version: 6, epoch: 2, history: [[1, 5]] });
  t.equal(answer(shown, kept).outcome, "Synced", "or the former primary's was chosen for the set");
  t.match(
    answer({ ...shown, owned: [] }, lost),
    { outcome: "Applying", data: base64(other) },
    "or it was deleted",
  );
});

t.test("with writeBack the Secret's content can be chosen", async (t) => {
  const spec = { writeBack: "OnChange" } as const;
  const parts = given(token, holds(primary(1), token, { version: 5, epoch: 1 }), spec);
  const lost = holds(primary(2, "B"), other, { version: 4, epoch: 1 });
  const shown = after(parts, lost);
  t.match(shown.status?.lastError, /resolve=secret writes/);
  const chosen = { ...shown, metadata: { annotations: { "hsm.j5t.io/resolve": "secret" } } };
  const input = request(chosen);
  t.match(planWrite(input, where, believed(input, where, lost)), { device: "hsm", data: base64(token) });
  const written = holds(primary(2, "B"), token, { version: 5, epoch: 2, history: [[1, 4]] });
  t.match(answer(chosen, written), { outcome: "Synced", status: { lastReading: { epoch: 2 } } });
});

t.test("another program's write to the token that failed is not rolled back either", async (t) => {
  const parts = given(token, holds(primary(1), token, { version: 5, epoch: 1 }));
  const unknowing = { version: 5, epoch: 1 };
  t.equal(
    answer(parts, holds(primary(1), other, unknowing)).outcome,
    "Applying",
    "one token counts as it is",
  );
  t.equal(answer(parts, holds(primary(2, "B"), other, unknowing)).outcome, "Conflict");
});

t.test(
  "absence removes the Secret only where the primary of the epoch that was read tells of it",
  async (t) => {
    const spec = { onMissing: "Delete" } as const;
    const parts = given(token, holds(primary(2), token, { version: 5, epoch: 1 }), spec);
    const rows: [sentence: string, reading: Reading, outcome: string, children: number][] = [
      ["the primary", nothing(primary(2)), "ObjectNotFound", 0],
      ["a mirror", nothing(copy(2)), "HSMUnavailable", 1],
      ["no lease", nothing({ role: "none", epoch: 2 }), "HSMUnavailable", 1],
      ["two primaries", nothing({ role: "disputed", epoch: 2 }), "HSMUnavailable", 1],
      ["a primary of before", nothing(primary(1)), "HSMUnavailable", 1],
      ["a primary that may never have had it", nothing(primary(3, "B")), "Conflict", 1],
    ];
    for (const [sentence, reading, outcome, children] of rows) {
      const out = answer(parts, reading);
      t.equal(out.outcome, outcome, sentence);
      t.equal(out.children.length, children, sentence);
    }
    const shown = after(parts, nothing(primary(3, "B")));
    const chosen = { ...shown, metadata: { annotations: { "hsm.j5t.io/resolve": "hsm" } } };
    t.equal(answer(chosen, nothing(primary(3, "B"))).children.length, 0, "but where somebody chose so");
    const read = after(parts, same(primary(3, "B")));
    t.match(read.status, { set: { epoch: 3 } });
    t.equal(answer(read, nothing(primary(3, "B"))).children.length, 0, "or where it was seen to have it");
    t.equal(
      answer(read, nothing(primary(2))).children.length,
      1,
      "and the one of before does not count since",
    );
    const older = after(parts, same(primary(1)));
    t.equal(answer(older, nothing(primary(1))).children.length, 1, "an epoch that was read is not forgotten");
    const left = { ...parts, spec: {} };
    t.match(answer(left, nothing(primary(3, "B"))), { outcome: "ObjectNotFound", children: [{}] });
  },
);

t.test("an HSMSecret that was read from one agent goes on with the set of its name", async (t) => {
  const { standing: _, ...alone } = holds(primary(0), token, { version: 5 }) as Extract<
    Reading,
    { outcome: "found" }
  >;
  const parts = given(token, alone);
  t.equal(answer(parts, holds(primary(1), token, { version: 5 })).outcome, "Synced");
  t.equal(
    answer(parts, holds(primary(1), other, { version: 6, epoch: 1, history: [[0, 5]] })).outcome,
    "Applying",
  );
  const elsewhere = holds(primary(1), other, { version: 1, epoch: 1 });
  t.equal(
    answer(given(token, { ...alone, device: "gone" }), elsewhere).outcome,
    "Applying",
    "another one's place",
  );
});
