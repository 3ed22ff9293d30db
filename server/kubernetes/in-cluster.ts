// SPDX-License-Identifier: Apache-2.0
// Configures the API server of a pod: from two variables and the files of the service account.
import { join } from "node:path";
import { integer, pattern, type ValuesOf } from "../config/variable-table.ts";
import { type VariableReader, whyUnreadable } from "../config/variables.ts";

/** The two variables, which Kubernetes sets in every pod. `purpose` ends what the documentation says of them. */
export const inClusterVariables = (purpose = "") => ({
  KUBERNETES_SERVICE_HOST: pattern(
    { pattern: "^[A-Za-z0-9:._-]+$", maxLength: 253 },
    "a host name or an IP address",
    { description: `set by Kubernetes${purpose}` },
  ),
  KUBERNETES_SERVICE_PORT: integer(1, 65_535, { description: "set by Kubernetes" }),
});

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The API server and the credentials of the pod's service account; the files are rotated by the kubelet. */
export type InCluster = { origin: string; tokenFile: string; caFile: string };

/** How a client reaches the API server as the pod's service account. */
export const inClusterAccess = ({ origin, tokenFile, caFile }: InCluster) => ({
  origin,
  pathPrefix: "",
  ca: { file: caFile },
  credentials: { kind: "token-file" as const, path: tokenFile },
});

/** The pod's way to the API server; undefined outside a pod or where no service account is mounted. */
export const readInCluster = (
  reader: VariableReader<ValuesOf<ReturnType<typeof inClusterVariables>>>,
  serviceAccountDirectory: string,
): InCluster | undefined => {
  const host = reader.value("KUBERNETES_SERVICE_HOST");
  const port = reader.value("KUBERNETES_SERVICE_PORT");
  const tokenFile = join(serviceAccountDirectory, "token");
  const caFile = join(serviceAccountDirectory, "ca.crt");
  if (host === undefined || port === undefined) return undefined;
  if (whyUnreadable(tokenFile) !== undefined || whyUnreadable(caFile) !== undefined) return undefined;
  return { origin: `https://${host.includes(":") ? `[${host}]` : host}:${port}`, tokenFile, caFile };
};
