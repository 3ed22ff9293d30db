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

/** The kinds that tour, cases and load tests read and write. */
export const KINDS = {
  HSMSecret: info("hsm.j5t.io/v1alpha1", "HSMSecret"),
  Toggle: info("toggle.j5t.io/v1alpha1", "Toggle"),
  Secret: info("v1", "Secret", false),
  Deployment: info("apps/v1", "Deployment"),
  Event: info("v1", "Event", false),
  Namespace: { ...info("v1", "Namespace"), namespaced: false },
};
export type Kind = keyof typeof KINDS;
