// SPDX-License-Identifier: Apache-2.0
// Lists the kinds of the local run for the client of the Kubernetes API.
import type { ResourceInfo } from "../control-plane/client.ts";

const info = (apiVersion: string, kind: string, hasStatus = true): ResourceInfo => ({
  apiVersion,
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
  hasStatus,
});

/** The kinds that tour, cases, load tests and the nodes of a set read and write. */
export const KINDS = {
  HSMSecret: info("hsm.j5t.io/v1alpha1", "HSMSecret"),
  HSMDevice: info("hsm.j5t.io/v1alpha1", "HSMDevice"),
  Toggle: info("toggle.j5t.io/v1alpha1", "Toggle"),
  Secret: info("v1", "Secret", false),
  Deployment: info("apps/v1", "Deployment"),
  Pod: info("v1", "Pod"),
  Node: { ...info("v1", "Node"), namespaced: false },
  Event: info("v1", "Event", false),
  Namespace: { ...info("v1", "Namespace"), namespaced: false },
};
export type Kind = keyof typeof KINDS;
