// SPDX-License-Identifier: Apache-2.0
// Builds a Toggle for tests: on, and running with 3 replicas.
import type { Toggle, ToggleSpec } from "../../hooks/toggle/schema.ts";

export const toggleNamed = (
  name: string,
  spec: Partial<ToggleSpec> = {},
  annotations?: Record<string, string>,
): Toggle => ({
  apiVersion: "toggle.j5t.io/v1alpha1",
  kind: "Toggle",
  metadata: {
    name,
    namespace: "demo",
    uid: `uid-${name}`,
    generation: 1,
    ...(annotations && { annotations }),
  },
  spec: { enabled: true, selector: { matchLabels: { app: name } }, ...spec },
  status: {
    observedGeneration: 1,
    phase: "Running",
    desiredReplicas: 3,
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    message: `3 of 3 replicas of the Deployment ${name} available.`,
  },
});
