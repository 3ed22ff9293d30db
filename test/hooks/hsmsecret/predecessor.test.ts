// SPDX-License-Identifier: Apache-2.0
// Tests what docs/guides/from-hsm-secrets-operator.md promises: HSMSecrets, Secrets and tokens of that operator as they are.
import t from "tap";
import type { Secret } from "../../../hooks/kubernetes.ts";
import { type HeldSecret, type Holding, planPull } from "../../../server/agent/mirror/plan-pull.ts";
import type { TokenObject } from "../../../server/agent/storage/path.ts";
import { decodePerKey } from "../../../server/agent/storage/per-key.ts";
import { plan, sync } from "./hooks.ts";
import { absent, context, found, later, request, secret, UID, unavailable } from "./request.ts";

const SECRET_UID = "5b0f2c52-6d2a-4d0f-9a53-0a7c1e9c9b11";
const DATA = { username: "app", password: "example" };
/** Its Secret: owned by the HSMSecret, with labels of its own, and nothing of Metacontroller. */
const labels = { "managed-by": "hsm-secrets-operator", "hsm-path": "app", "sync.version": "4" };
const made = secret(DATA, { uid: SECRET_UID, labels });
/** The same once Metacontroller has let go of it, because it lacks the label of the selector. */
const released = secret(DATA, { uid: SECRET_UID, labels, ownerReferences: [] });
const status = {
  lastSyncTime: "2026-11-01T08:00:00Z",
  hsmChecksum: "sha256:00",
  secretChecksum: "sha256:00",
  syncStatus: "InSync",
  secretRef: { apiVersion: "v1", kind: "Secret", name: "app", namespace: "demo", uid: SECRET_UID },
  primaryDevice: "DC6A33145E23A42A",
  deviceSyncStatus: [{ deviceName: "DC6A33145E23A42A", status: "InSync", version: 4 }],
};
const spec = { autoSync: true, secretType: "Opaque", syncInterval: 30 };
const allowed = { ...context, policy: [{ namespace: "demo", prefix: "app" }] };
const moved = { ...spec, hsmPath: "app", adopt: true };

for (const [name, related] of Object.entries({ made, released })) {
  t.test(
    `its HSMSecret with hsmPath and adopt takes over the Secret (${name}), with the same data`,
    async (t) => {
      const taken = sync(request({ spec: moved, status, related }), allowed, found(DATA));
      t.match(taken.response.children, [{ kind: "Secret", metadata: { name: "app" }, data: made.data }]);
      const [child] = taken.response.children as Secret[];
      const own = secret(DATA, {
        uid: SECRET_UID,
        labels: { ...labels, ...child?.metadata.labels, "controller-uid": UID },
        ...(child?.metadata.annotations && { annotations: child.metadata.annotations }),
      });
      const next = request({ spec: moved, status: taken.response.status ?? {}, owned: [own] });
      t.equal(sync(next, { ...later, policy: allowed.policy }, found(DATA)).outcome, "Synced");
    },
  );

  t.test(
    `until then nothing becomes of the Secret (${name}): agent out, path empty, path forbidden`,
    async (t) => {
      const parts = { spec, status, related };
      for (const reading of [unavailable, absent]) {
        const { response } = sync(request(parts), context, reading);
        for (const child of response.children) t.match(child, { data: made.data });
      }
      t.same(plan(request({ ...parts, spec: moved }), context), { read: false }, "the token is not asked");
    },
  );
}

const object = (label: string, value: string): TokenObject => ({
  label,
  application: "hsm-secrets-operator",
  value: Buffer.from(value),
});
const metadata = (labels: Record<string, string>) => JSON.stringify({ labels });

t.test("its token: a path that is a bare name, its version, and what it has deleted", async (t) => {
  const sync = { "sync.version": "4", "sync.timestamp": "2026-11-01T08:00:00Z" };
  const objects = [
    object("db/username", "app"),
    object("db/_metadata", metadata(sync)),
    object("db-prod/username", "prod"),
    object("old/_metadata", metadata({ ...sync, "sync.version": "0", "sync.deleted": "true" })),
  ];
  const db = decodePerKey("db", objects);
  t.match(db, { kind: "secret", version: 4, metadata: { labels: sync } });
  t.same(db.kind === "secret" && [...db.keys.keys()], ["username"], "and nothing of db-prod");
  t.match(decodePerKey("db-prod", objects), { kind: "secret", version: 0 });
  t.match(decodePerKey("old", objects), { kind: "tombstone", version: 0 });
});

const held = (path: string, version: number, checksum: string): HeldSecret => ({
  path,
  checksum,
  keys: ["k"],
  bytes: 1,
  stamp: { epoch: 0, version, history: [] },
});
const holding = (epoch: number, ...secrets: HeldSecret[]): Holding => ({
  set: "keyswitch/pico-hsm",
  epoch,
  secrets,
  tombstones: [],
});

t.test(
  "its mirrored tokens: what is the same stays, what is older follows, all else is kept as diverged",
  async (t) => {
    const primary = holding(
      1,
      held("same", 2, "x"),
      held("older", 3, "y"),
      held("newer", 3, "y"),
      held("other", 2, "x"),
    );
    const mirror = holding(
      0,
      held("same", 2, "x"),
      held("older", 2, "x"),
      held("newer", 4, "x"),
      held("other", 2, "z"),
      held("own", 1, "x"),
    );
    const { copy, remove, diverged } = planPull(mirror, primary);
    t.same(copy, ["older"]);
    t.same(remove, []);
    t.same(
      diverged.map(({ path }) => path),
      ["newer", "other", "own"],
    );
  },
);
