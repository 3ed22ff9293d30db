// SPDX-License-Identifier: Apache-2.0
// Makes Toggles, HSMSecrets and HSMDevices with the statuses that our hooks give them, and says what each means to kstatus.
import { pico, World } from "../hooks/hsmdevice/world.ts";
import * as secretHooks from "../hooks/hsmsecret/hooks.ts";
import * as secrets from "../hooks/hsmsecret/request.ts";
import * as toggleHooks from "../hooks/toggle/hooks.ts";
import * as toggles from "../hooks/toggle/request.ts";
import { failed } from "../hooks/toggle/sync-row.ts";

export type State = {
  readonly name: string;
  /** Current: as it was asked for. Failed: somebody must change something. */
  readonly means: "Current" | "InProgress" | "Failed";
  readonly object: Record<string, unknown>;
};

const toggle = (name: string, means: State["means"], parts: toggles.RequestParts): State => {
  const request = toggles.request(parts);
  const { status } = toggleHooks.sync(request, toggles.context).response;
  return { name: `Toggle ${name}`, means, object: { ...request.parent, status } };
};

const secret = (
  name: string,
  means: State["means"],
  parts: secrets.RequestParts,
  reading: Parameters<typeof secretHooks.sync>[2],
): State => {
  const request = secrets.request(parts);
  const { status } = secretHooks.sync(request, secrets.context, reading).response;
  return { name: `HSMSecret ${name}`, means, object: { ...request.parent, status } };
};

const device = (name: string, means: State["means"], world: World): State => ({
  name: `HSMDevice ${name}`,
  means,
  object: {
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMDevice",
    metadata: { name: "hsm", generation: world.found.observedGeneration ?? 1 },
    status: world.found,
  },
});

const off = { spec: { enabled: false } };
const running = toggle("that runs", "Current", { owned: [toggles.deployment(3)] });

/** A state for each thing that a health check has to tell apart. */
export const STATES: readonly State[] = [
  running,
  toggle("that is off", "Current", { ...off, owned: [toggles.deployment(0)] }),
  toggle("that starts", "InProgress", { owned: [toggles.deployment(3, {}, 1)] }),
  toggle("that stops", "InProgress", { ...off, owned: [toggles.deployment(0, {}, 2)] }),
  toggle("without its Deployment", "Failed", {}),
  toggle("whose rollout failed", "Failed", {
    owned: [toggles.deployment(3, {}, failed("ProgressDeadlineExceeded"))],
  }),
  { name: "Toggle without a status", means: "InProgress", object: { ...running.object, status: undefined } },
  {
    name: "Toggle with another spec than was seen",
    means: "InProgress",
    object: { ...running.object, metadata: { name: "web", namespace: "demo", generation: 2 } },
  },
  secret("that is synced", "Current", { owned: [secrets.secret({ a: "1" })] }, secrets.found({ a: "1" })),
  secret("that is being made", "InProgress", {}, secrets.found({ a: "1" })),
  secret("whose token can't be read", "InProgress", { owned: [secrets.secret({})] }, secrets.unavailable),
  secret("of somebody else", "Failed", { related: secrets.foreign({ a: "1" }) }, secrets.found({ a: "1" })),
  device("with its agent", "Current", new World({ a: [pico("A")] }).run(120)),
  device("that is nowhere", "InProgress", new World({ a: [] }).run(10)),
];
