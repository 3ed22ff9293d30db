// SPDX-License-Identifier: Apache-2.0
// Tests that the CompositeController has the shape of Metacontroller's hook version v2, and points at the webhook's routes.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { credentials, secretsIn } from "./credentials.ts";
import { pick, rendered } from "./rendered.ts";

const hook = (resource: string, name: string) => ({
  version: "v2",
  webhook: {
    url: `https://keyswitch-webhook.keyswitch.svc:8443/hooks/${resource}/${name}`,
    timeout: "10s",
    caBundle: { secretRef: { name: "keyswitch-webhook-tls", namespace: "keyswitch", key: "ca.crt" } },
    authorization: {
      type: "Bearer",
      secretRef: { name: "keyswitch-hook-token", namespace: "keyswitch", key: "token" },
    },
    // No path: credentials.sh counts there, and applying the manifests must leave it as it is.
  },
});

const rows = [
  {
    name: "hsmsecret",
    generateSelector: true,
    group: "hsm.j5t.io",
    parent: "hsmsecrets",
    children: [["v1", "secrets"]],
  },
  {
    name: "toggle",
    generateSelector: false,
    group: "toggle.j5t.io",
    parent: "toggles",
    children: [
      ["apps/v1", "deployments"],
      ["apps/v1", "statefulsets"],
    ],
  },
];

for (const { name, generateSelector, group, parent, children } of rows) {
  t.test(`${name} has these fields and no others`, async (t) => {
    t.strictSame(pick(rendered("manifests"), "CompositeController", name), {
      apiVersion: "metacontroller.k8s.io/v1alpha1",
      kind: "CompositeController",
      metadata: { name, labels: { "app.kubernetes.io/part-of": "keyswitch" } },
      spec: {
        generateSelector,
        parentResource: { apiVersion: `${group}/v1alpha1`, resource: parent, ignoreStatusChanges: true },
        childResources: children.map(([apiVersion, resource]) => ({
          apiVersion,
          resource,
          updateStrategy: { method: "InPlace" },
        })),
        hooks: {
          customize: hook(name, "customize"),
          sync: hook(name, "sync"),
          finalize: hook(name, "finalize"),
        },
      },
    });
  });
}

t.test(
  "the CA and the token that it refers to are made by credentials.sh, the token without a newline",
  async (t) => {
    const folder = t.testdir({ pin: randomBytes(8).toString("hex") });
    const made = secretsIn(credentials(["--pin-file", join(folder, "pin")]).stdout);
    t.match(
      made.get("keyswitch-webhook-tls")?.data.get("ca.crt")?.toString(),
      /^-----BEGIN CERTIFICATE-----\n/,
    );
    t.match(made.get("keyswitch-hook-token")?.data.get("token")?.toString(), /^[0-9a-f]{64}$/);
  },
);
