// SPDX-License-Identifier: Apache-2.0
// Where the API server is when we run in a pod: two variables and the files of the service account.
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { type VariableReader, whyUnreadable } from "../config/variables.ts";

/** Set by Kubernetes in every pod. */
export const KUBERNETES_VARIABLES = { KUBERNETES_SERVICE_HOST: null, KUBERNETES_SERVICE_PORT: null } as const;

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The API server and the credentials of the pod's service account; the files are rotated by the kubelet. */
export type InCluster = { origin: string; tokenFile: string; caFile: string };

const Host = Type.String({ pattern: "^[A-Za-z0-9:._-]+$", maxLength: 253 });

/** The pod's way to the API server; undefined outside a pod or where no service account is mounted. */
export const readInCluster = (
  reader: VariableReader<keyof typeof KUBERNETES_VARIABLES>,
  serviceAccountDirectory: string,
): InCluster | undefined => {
  const host = reader.text("KUBERNETES_SERVICE_HOST", Host, "a host name or an IP address");
  const port = reader.integer("KUBERNETES_SERVICE_PORT", 1, 65_535);
  const tokenFile = join(serviceAccountDirectory, "token");
  const caFile = join(serviceAccountDirectory, "ca.crt");
  if (host === undefined || port === undefined) return undefined;
  if (whyUnreadable(tokenFile) !== undefined || whyUnreadable(caFile) !== undefined) return undefined;
  return { origin: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, tokenFile, caFile };
};
