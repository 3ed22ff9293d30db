// SPDX-License-Identifier: Apache-2.0
// Tests the installation for Toggles alone: a webhook that starts without an agent, and nothing of HSMs.
import { join } from "node:path";
import t from "tap";
import { parseWebhookConfig } from "../../server/webhook/config.ts";
import { accepted, podIn } from "./pod-environment.ts";
import { type Manifest, rendered, workloadsOf } from "./rendered.ts";

const manifests = rendered("manifests/examples/toggles-only");
/** Kinds and names, without the hash of a generated one. */
const namesOf = (objects: readonly Manifest[]) =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.name.replace(/-[a-z0-9]{10}$/, "")}`);

t.test("it is the whole installation without agents and HSMSecrets", async (t) => {
  const [names, whole] = [namesOf(manifests), namesOf(rendered("manifests"))];
  t.same(whole.filter((name) => !names.includes(name)).sort(), [
    "ClusterRole keyswitch-edit",
    "ClusterRole keyswitch-view",
    "CompositeController hsmsecret",
    "ConfigMap keyswitch-pcscd",
    "CustomResourceDefinition hsmsecrets.hsm.j5t.io",
    "DaemonSet keyswitch-agent",
    "NetworkPolicy keyswitch-agent",
    "Service keyswitch-agent",
    "ServiceAccount keyswitch-agent",
  ]);
  t.same(
    names.filter((name) => !whole.includes(name)),
    [],
  );
});

t.test("the webhook accepts its configuration, and needs no Secret of an agent", async (t) => {
  const { env, folder } = podIn(t, manifests, ["Deployment", "keyswitch-webhook"]);
  const config = accepted(parseWebhookConfig(env, join(folder, "no-service-account")));
  t.ok(config.tls && config.hookTokenFile, "it serves TLS, and asks for a token");
  t.equal(config.agentTokenFile, undefined);
  const volumes = workloadsOf(manifests).flatMap(({ spec }) => spec.template.spec.volumes);
  t.same(
    volumes.map(({ secret }) => secret?.secretName).filter((name) => name !== undefined),
    ["keyswitch-webhook-tls", "keyswitch-hook-token"],
  );
  t.notOk(volumes.some(({ projected, hostPath }) => projected ?? hostPath));
});
