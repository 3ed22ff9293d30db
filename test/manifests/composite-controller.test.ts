// SPDX-License-Identifier: Apache-2.0
// The CompositeController has the shape that Metacontroller's hook version v2 takes, and points at what the webhook has.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { credentials, secretsIn } from "./credentials.ts";
import { pick, rendered } from "./rendered.ts";

const controller = pick(rendered("manifests"), "CompositeController", "hsmsecret");

const hook = (name: string) => ({
  version: "v2",
  webhook: {
    url: `https://keyswitch-webhook.keyswitch.svc:8443/hooks/hsmsecret/${name}`,
    timeout: "10s",
    caBundle: { secretRef: { name: "keyswitch-webhook-tls", namespace: "keyswitch", key: "ca.crt" } },
    authorization: {
      type: "Bearer",
      secretRef: { name: "keyswitch-hook-token", namespace: "keyswitch", key: "token" },
    },
  },
});

t.test("it has these fields and no others", async (t) => {
  t.strictSame(controller, {
    apiVersion: "metacontroller.k8s.io/v1alpha1",
    kind: "CompositeController",
    metadata: { name: "hsmsecret", labels: { "app.kubernetes.io/part-of": "keyswitch" } },
    spec: {
      generateSelector: true,
      parentResource: {
        apiVersion: "hsm.j5t.io/v1alpha1",
        resource: "hsmsecrets",
        ignoreStatusChanges: true,
      },
      childResources: [{ apiVersion: "v1", resource: "secrets", updateStrategy: { method: "InPlace" } }],
      hooks: { customize: hook("customize"), sync: hook("sync"), finalize: hook("finalize") },
    },
  });
});

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
