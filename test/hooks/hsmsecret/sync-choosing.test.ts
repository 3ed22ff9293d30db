// SPDX-License-Identifier: Apache-2.0
// Tests the sync hook's checks: ownership, path policy, keys, sizes, types, names, autoSync.

import { context, foreign, found, secret } from "./request.ts";
import { checkRows, inSync, other, token } from "./sync-rows.ts";

checkRows([
  {
    name: "a foreign Secret of the name is a Conflict and is left alone",
    given: { related: foreign({ theirs: "1" }) },
    expect: {
      reason: "Conflict",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /no HSMSecret owns it.*spec.adopt/,
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
    name: "a name that makes the default path too long is told so, with both lengths",
    given: { metadata: { name: "n".repeat(253) } },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: [],
      error: /namespace of 4 and a name of 253 bytes, has 266 bytes.*takes 255\. Set spec.hsmPath/,
    },
  },
  {
    name: "a path that is too long is told so, and not what the namespace may read",
    given: { spec: { hsmPath: `secrets/demo/${"n".repeat(243)}` }, owned: [secret(token)] },
    expect: {
      reason: "InvalidKey",
      syncStatus: "Error",
      ready: "False",
      children: ["app"],
      data: token,
      error: /the path has 256 bytes/,
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
]);
